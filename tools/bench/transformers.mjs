/**
 * What vit-clip.mjs measures. PyTorch's side of it is torch_vit_clip.py: weights come in the order of the specifications' layers.
 */
import { Random } from '@retort/core';
import { clipNormalization, clipSizes, clipSpec, deitSpec } from '@retort/models';

const clipSettings = {
  ...clipSizes('vit-b-32'),
  activation: 'quick-gelu',
  boxHead: false,
  imageShape: [224, 224, 3],
  normalization: clipNormalization,
  vocabularySize: 49408,
  contextLength: 77,
  endToken: 49407,
};

/** By name: the network, what it reads, and whether it is trained. */
export const tasks = {
  /** DeiT-Ti, forward, backward and AdamW, on small images: 65 tokens. */
  'vit-step': {
    batch: 32,
    input: 'image',
    trains: true,
    spec: () =>
      deitSpec({
        ...{ width: 192, depth: 12, heads: 3, patchSize: 8, dropPath: 0 },
        classes: Array.from({ length: 10 }, (_, label) => `class ${label}`),
        imageShape: [64, 64, 3],
        normalization: { mean: [0.5, 0.5, 0.5], deviation: [0.25, 0.25, 0.25] },
      }),
  },
  /** The image encoder of CLIP ViT-B/32. */
  'clip-images': { batch: 8, input: 'image', spec: () => upTo(clipSpec(clipSettings), 'imageEmbedding') },
  /** Its text encoder. */
  'clip-texts': { batch: 8, input: 'tokens', spec: () => upTo(clipSpec(clipSettings), 'textEmbedding') },
};

export const hyperparameters = {
  learningRate: 1e-4,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0.05,
  decayOn: 'kernels',
};

/** The part of a network that leads to one of its outputs. */
function upTo(spec, output) {
  const needed = new Set([spec.outputs[output]]);
  const layers = spec.layers.toReversed().filter(({ name, from }) => {
    if (needed.has(name)) for (const source of from) needed.add(source);
    return needed.has(name);
  });
  return { ...spec, layers: layers.toReversed(), outputs: { [output]: spec.outputs[output] }, blocks: undefined };
}

/** Pixels in [0, 1], or token ids: words of any number, the end token, zeros. */
export function madeUpInput({ batch, input }, spec) {
  const random = new Random([3, 4]);
  if (input === 'image') {
    const pixels = new Float32Array(spec.imageShape.reduce((size, n) => size * n, batch));
    return random.fill(pixels, 'uniform');
  }
  const ids = new Int32Array(batch * spec.contextLength);
  for (let text = 0; text < batch; text++) {
    const length = 10 + random.integer(spec.contextLength - 9);
    const row = ids.subarray(text * spec.contextLength, text * spec.contextLength + length);
    row.forEach((_, place) => (row[place] = 1 + random.integer(clipSettings.vocabularySize - 3)));
    row[0] = clipSettings.endToken - 1;
    row[length - 1] = clipSettings.endToken;
  }
  return ids;
}
