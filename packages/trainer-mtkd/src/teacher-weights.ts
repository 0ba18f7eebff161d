import { type Head, z } from '@retort/core';
import type * as tf from '@tensorflow/tfjs';

/** The same weights [B, M] for every head in use. */
export function sameForHeads(heads: readonly Head[], weights: tf.Tensor2D): Partial<Record<Head, tf.Tensor2D>> {
  return Object.fromEntries(heads.map((head) => [head, weights]));
}

/** The option of methods whose public code divides by the number of teachers once more. @param published what its weights sum to */
export function publishedSum(published: string) {
  return z
    .enum(['one', 'published'])
    .default('one')
    .describe(
      `What a sample's weights sum to. The public code's sum to ${published}, which makes distillation count less the more teachers ` +
        'there are; one keeps methods comparable.',
    );
}
