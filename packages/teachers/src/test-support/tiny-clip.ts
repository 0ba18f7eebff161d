import { encodeSafetensors, type HostTensor, Random } from '@retort/core';

/** A CLIP for 8 × 8 images in patches of 4, 30 ids and texts of up to 6, with one block each: sizes in [width, embedding]. */
export const tinyClip = { width: 8, textWidth: 6, embedding: 4, side: 8, patch: 4, vocabulary: 30, length: 6 };

/** Its file in the naming of open_clip, with random weights. */
export function tinyClipFile({ logScale = Math.log(20) } = {}): Buffer {
  const { width, textWidth, embedding, side, patch, vocabulary, length } = tinyClip;
  const random = new Random([3, 4]);
  const tensors: Record<string, HostTensor> = { logit_scale: { data: Float32Array.of(logScale), shape: [] } };
  const add = (name: string, shape: number[], deviation = 0.3, mean = 0) => {
    const size = shape.reduce((a, b) => a * b, 1);
    const data = random.fill(new Float32Array(size), 'normal').map((value) => mean + deviation * value);
    tensors[name] = { data, shape };
  };
  const norm = (name: string, size: number) => {
    add(`${name}.weight`, [size], 0.1, 1);
    add(`${name}.bias`, [size], 0.1);
  };
  const block = (name: string, size: number) => {
    norm(`${name}.ln_1`, size);
    norm(`${name}.ln_2`, size);
    for (const [layer, rows, columns] of [
      ['attn.in_proj_', 3 * size, size],
      ['attn.out_proj.', size, size],
      ['mlp.c_fc.', 4 * size, size],
      ['mlp.c_proj.', size, 4 * size],
    ] as const) {
      add(`${name}.${layer}weight`, [rows, columns]);
      add(`${name}.${layer}bias`, [rows]);
    }
  };
  add('visual.class_embedding', [width]);
  add('visual.positional_embedding', [1 + (side / patch) ** 2, width]);
  add('visual.proj', [width, embedding]);
  add('visual.conv1.weight', [width, 3, patch, patch]);
  for (const name of ['visual.ln_pre', 'visual.ln_post']) norm(name, width);
  block('visual.transformer.resblocks.0', width);
  add('positional_embedding', [length, textWidth]);
  add('text_projection', [textWidth, embedding]);
  add('token_embedding.weight', [vocabulary, textWidth]);
  norm('ln_final', textWidth);
  block('transformer.resblocks.0', textWidth);
  return encodeSafetensors(tensors);
}
