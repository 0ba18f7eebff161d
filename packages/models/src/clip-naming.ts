import { InputError } from '@retort/core';
import { listed, type Naming } from './published-weights.js';
import type { SafetensorsFile } from './safetensors-file.js';

/** Names as `clipSpec` has them, in pieces, and as open_clip has them. */
const openClipPieces: [RegExp, string][] = [
  [/(^|\.)blocks\./, '$1transformer.resblocks.'],
  [/\.norm(\d)\./, '.ln_$1.'],
  [/\.attn\.qkv\./, '.attn.in_proj_'],
  [/\.attn\.proj\./, '.attn.out_proj.'],
  [/\.mlp\.fc1\./, '.mlp.c_fc.'],
  [/\.mlp\.fc2\./, '.mlp.c_proj.'],
];

const openClip: Naming = (name) => {
  // Parameters of their own there, not linear layers.
  if (/proj(ection)?\.weight$/.test(name) && !/attn/.test(name)) {
    return { parts: [name.replace('.weight', '')], swapped: true };
  }
  return { parts: [renamed(name, openClipPieces)] };
};

const huggingFacePieces: [RegExp, string][] = [
  [/^visual\.proj\./, 'visual_projection.'],
  [/^visual\.conv1\./, 'vision_model.embeddings.patch_embedding.'],
  [/^visual\.class_embedding$/, 'vision_model.embeddings.class_embedding'],
  [/^visual\.positional_embedding$/, 'vision_model.embeddings.position_embedding.weight'],
  // Sic.
  [/^visual\.ln_pre\./, 'vision_model.pre_layrnorm.'],
  [/^visual\.ln_post\./, 'vision_model.post_layernorm.'],
  [/^visual\.blocks\./, 'vision_model.encoder.layers.'],
  [/^token_embedding\./, 'text_model.embeddings.token_embedding.'],
  [/^positional_embedding$/, 'text_model.embeddings.position_embedding.weight'],
  [/^ln_final\./, 'text_model.final_layer_norm.'],
  [/^blocks\./, 'text_model.encoder.layers.'],
  [/\.norm(\d)\./, '.layer_norm$1.'],
  [/\.attn\.qkv\./, '.self_attn.*_proj.'],
  [/\.attn\.proj\./, '.self_attn.out_proj.'],
];

const huggingFace: Naming = (name) => {
  const found = renamed(name, huggingFacePieces);
  return { parts: found.includes('*') ? ['q', 'k', 'v'].map((part) => found.replace('*', part)) : [found] };
};

function renamed(name: string, pieces: [RegExp, string][]): string {
  return pieces.reduce((text, [from, to]) => text.replace(from, to), name);
}

/**
 * What a file calls the tensors of a CLIP: as Hugging Face does (`vision_model.encoder.layers.0.self_attn.q_proj.weight`), or
 * open_clip (`visual.transformer.resblocks.0.attn.in_proj_weight`).
 *
 * @throws InputError when it is neither
 */
export function clipNaming({ path, shapes }: SafetensorsFile, { where }: { where?: string } = {}): Naming {
  const names = [...shapes.keys()];
  if (names.some((name) => /^(vision|text)_model\./.test(name))) return huggingFace;
  if (names.some((name) => /^visual\./.test(name))) return openClip;
  throw new InputError(`${path} holds no CLIP under names of Hugging Face or open_clip`, {
    hints: ['the image encoder is looked for under "vision_model." or "visual."', `the file has ${listed(names)}`],
    where,
  });
}
