import type { DatasetSequences } from '@retort/core';
import type { NetworkSpec } from './network-spec.js';
import { norm, transformerBlock } from './transformer-block.js';

/** What a decoder is made from. */
export interface DecoderSettings extends Pick<DatasetSequences, 'length'> {
  /** V. */
  vocabularySize: number;
  /** D, channels of a token. */
  width: number;
  /** Blocks. */
  depth: number;
  /** Of attention; they divide the width. */
  heads: number;
}

/** ε of every layer norm. */
const epsilon = 1e-5;

/**
 * Decoder-only transformer (Radford et al. 2019): learned tokens and positions, pre-norm blocks in which a token sees none that comes
 * after it, layer norm, a dense layer of its own to the vocabulary. It starts as CLIP's text encoder does: the more blocks, the less each
 * adds.
 *
 * Input `tokens` [N] int32; output tokenLogits [N, V], of what comes after each token. V D + N D + L (12 D² + 13 D) + 2 D + D V + V
 * parameters.
 */
export function decoderSpec({ vocabularySize, length, width, depth, heads }: DecoderSettings): NetworkSpec {
  const deviations = {
    attention: width ** -0.5,
    hidden: (2 * width) ** -0.5,
    last: width ** -0.5 * (2 * depth) ** -0.5,
  };
  const options = { width, heads, causal: true, epsilon, deviations, dropPath: 0 };
  const ends = Array.from({ length: depth }, (_, block) => `block${block + 1}_mlp_add`);
  return {
    contextLength: length,
    layers: [
      {
        name: 'token_embedding',
        from: ['tokens'],
        config: { type: 'token-embedding', vocabularySize, width },
        published: 'token_embedding',
      },
      {
        name: 'positions',
        from: ['token_embedding'],
        config: { type: 'positions', deviation: 0.01 },
        published: 'positional_embedding',
      },
      ...ends.flatMap((_, block) =>
        transformerBlock(`block${block + 1}`, block === 0 ? 'positions' : ends[block - 1], {
          ...options,
          published: `blocks.${block}`,
        }),
      ),
      norm('norm', ends[depth - 1], 'ln_final', epsilon),
      {
        name: 'token_logits',
        from: ['norm'],
        config: { type: 'dense', units: vocabularySize, deviation: width ** -0.5 },
        published: 'head',
      },
    ],
    outputs: { tokenLogits: 'token_logits' },
    blocks: ends,
  };
}
