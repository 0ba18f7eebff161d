import * as tf from '@tensorflow/tfjs';
import { InputError } from '@retort/core';
import { type LayerRule, normalValues } from './layer-rule.js';
import { boxCorners } from './layers/box-corners.js';
import { classToken } from './layers/class-token.js';
import { dropPath } from './layers/drop-path.js';
import { endTokenPool } from './layers/end-token-pool.js';
import { layerNorm } from './layers/layer-norm.js';
import { layerScale } from './layers/layer-scale.js';
import { learnedPositions } from './layers/learned-positions.js';
import { logitScale } from './layers/logit-scale.js';
import { quickGelu } from './layers/quick-gelu.js';
import { tokenAttention } from './layers/token-attention.js';
import { tokenSlice } from './layers/token-slice.js';

/** Layers of tokens [N, D], as transformers have them. */
export type TokenLayerConfig =
  /** x · Φ(x), by the error function (Hendrycks & Gimpel 2016). */
  | { type: 'gelu' }
  /** x · σ(1.702 x), as in CLIP. */
  | { type: 'quick-gelu' }
  /** Over the last axis (Ba et al. 2016). */
  | { type: 'layer-norm'; epsilon: number }
  /**
   * Of [N, 3D], which holds query, key and value, or of the three apart. Talking heads: mixed before and after the softmax. Causal:
   * a token sees none that comes after it.
   */
  | { type: 'attention'; heads: number; talkingHeads?: boolean; causal?: boolean }
  /** One learned token, [1, D]; reads tokens for their width. */
  | { type: 'class-token'; deviation?: number }
  /** Adds what was learned for every place: `before` tokens, then those of a grid of patches; without a grid, those of a text. */
  | { type: 'positions'; grid?: [number, number]; before?: number; deviation?: number }
  /** Of ids [N], a learned token each, [N, D]. */
  | { type: 'token-embedding'; vocabularySize: number; width: number }
  /** Of tokens [N, D] and their ids [N], the token where `endToken` first stands, [D]. */
  | { type: 'end-token-pool'; endToken: number }
  /** exp of a learned number, a scalar; reads anything. */
  | { type: 'logit-scale' }
  /** Four numbers as left, top, right, bottom. */
  | { type: 'box-corners' }
  /** A factor per channel (Touvron et al. 2021, §2). */
  | { type: 'layer-scale'; initial: number }
  /** `count` tokens from the one at `start`, or all from there. */
  | { type: 'token-slice'; start: number; count?: number }
  /** In training, nothing of a sample with a probability of `rate` (Huang et al. 2016). */
  | { type: 'drop-path'; rate: number };

/** Spread of what transformers start from: N(0, 0.02²) (Touvron et al. 2021, §6), which they cut off at 2, that is nowhere. */
export const initialDeviation = 0.02;

export const tokenLayerRules: { [T in TokenLayerConfig['type']]: LayerRule<Extract<TokenLayerConfig, { type: T }>> } = {
  gelu: {
    outputShape: (_, [input]) => input,
    build: (_, name) => tf.layers.activation({ name, activation: 'gelu' }),
  },

  'quick-gelu': {
    outputShape: (_, [input]) => input,
    build: (_, name) => quickGelu({ name }),
  },

  'layer-norm': {
    outputShape: (_, [input]) => input,
    weights: (_, input) => [
      { shape: input.slice(-1), published: '.weight' },
      { shape: input.slice(-1), published: '.bias' },
    ],
    build: ({ epsilon }, name) => layerNorm({ name, epsilon }),
  },

  attention: {
    outputShape: ({ heads }, inputs) => {
      const [tokens, joined] = inputs[0];
      const width = inputs.length === 1 ? joined / 3 : joined;
      if (width % heads !== 0) throw new InputError(`${heads} heads do not divide a width of ${width}`);
      return [tokens, width];
    },
    weights: ({ heads, talkingHeads }) =>
      talkingHeads
        ? [
            { shape: [heads, heads], published: '.proj_l.weight' },
            { shape: [heads], published: '.proj_l.bias' },
            { shape: [heads, heads], published: '.proj_w.weight' },
            { shape: [heads], published: '.proj_w.bias' },
          ]
        : [],
    macs: ({ heads, talkingHeads = false }, inputs, [queries, width]) => {
      const pairs = queries * inputs.at(-1)![0];
      return pairs * 2 * width + (talkingHeads ? pairs * 2 * heads ** 2 : 0);
    },
    build: ({ heads, talkingHeads = false, causal = false }, name) =>
      tokenAttention({ name, heads, talkingHeads, causal }),
    initialValues: ({ heads, talkingHeads }, _, random) =>
      talkingHeads
        ? [0, 1].flatMap(() => [normalValues(random, heads ** 2, initialDeviation), new Float32Array(heads)])
        : [],
  },

  'class-token': {
    outputShape: (_, [[, width]]) => [1, width],
    weights: (_, [, width]) => [{ shape: [width], published: '', layout: 'token' }],
    build: (_, name) => classToken({ name }),
    initialValues: ({ deviation = initialDeviation }, [, width], random) => [normalValues(random, width, deviation)],
  },

  positions: {
    outputShape: (_, [input]) => input,
    weights: (_, input) => [{ shape: input, published: '', layout: 'positions' }],
    build: (_, name) => learnedPositions({ name }),
    initialValues: ({ deviation = initialDeviation }, [tokens, width], random) => [
      normalValues(random, tokens * width, deviation),
    ],
  },

  'token-embedding': {
    outputShape: ({ width }, [[places]]) => [places, width],
    weights: ({ vocabularySize, width }) => [{ shape: [vocabularySize, width], published: '.weight' }],
    build: ({ vocabularySize, width }, name) =>
      tf.layers.embedding({ name, inputDim: vocabularySize, outputDim: width, embeddingsInitializer: 'zeros' }),
    initialValues: ({ vocabularySize, width }, _, random) => [
      normalValues(random, vocabularySize * width, initialDeviation),
    ],
  },

  'end-token-pool': {
    outputShape: (_, [[, width]]) => [width],
    build: ({ endToken }, name) => endTokenPool({ name, endToken }),
  },

  'logit-scale': {
    outputShape: () => [],
    weights: () => [{ shape: [], published: '' }],
    build: (_, name) => logitScale({ name }),
    // Radford et al. 2021, §2.5: a temperature of 0.07
    initialValues: () => [Float32Array.of(Math.log(1 / 0.07))],
  },

  'box-corners': {
    outputShape: (_, [input]) => input,
    build: (_, name) => boxCorners({ name }),
  },

  'layer-scale': {
    outputShape: (_, [input]) => input,
    weights: (_, input) => [{ shape: input.slice(-1), published: '' }],
    build: (_, name) => layerScale({ name }),
    initialValues: ({ initial }, input) => [new Float32Array(input.at(-1)!).fill(initial)],
  },

  'token-slice': {
    outputShape: ({ start, count }, [[tokens, width]]) => [count ?? tokens - start, width],
    build: (config, name) => tokenSlice({ name, start: config.start, count: config.count }),
  },

  'drop-path': {
    outputShape: (_, [input]) => input,
    build: ({ rate }, name) => dropPath({ name, rate }),
  },
};
