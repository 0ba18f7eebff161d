import { definePart, type Weighting, z } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { publishedSum, sameForHeads } from './teacher-weights.js';

/**
 * EB-KD: sure teachers count more (Kwon et al. 2020, "Adaptive Knowledge Distillation Based on Entropy"). Never looks at the label or
 * the student.
 */
export const ebKd = definePart('weighting', {
  name: 'eb-kd',
  summary: 'Teachers whose predictions have little entropy count more (EB-KD).',
  options: z.strictObject({ sum: publishedSum('(M − 1) / M') }),
  needs: { teacher: ['logits'] },
  create: ({ sum }, { teachers: { length: count }, heads }): Weighting => ({
    weigh: ({ teachers }) => {
      const weights = entropyWeights(teachers.map(({ logits }) => logits!));
      return { fused: sameForHeads(heads, sum === 'published' ? weights.mul((count - 1) / count) : weights) };
    },
  }),
});

/**
 * w_m = (1 − H_m / Σ_j H_j) / (M − 1), H_m the entropy of softmax(z_m) at temperature 1. A single teacher has all the weight; where
 * no teacher has any entropy all count the same.
 *
 * @param logits M times [B, C]
 * @returns [B, M], rows sum to 1
 */
export function entropyWeights(logits: tf.Tensor2D[]): tf.Tensor2D {
  const count = logits.length;
  return tf.tidy(() => {
    if (count === 1) return tf.ones([logits[0].shape[0], 1]) as tf.Tensor2D;
    // By way of log-softmax: a probability of zero has an entropy of zero and not of NaN.
    const entropies = tf.stack(
      logits.map((z) => tf.softmax(z).mul(tf.logSoftmax(z)).sum(1).neg()),
      1,
    );
    const total = entropies.sum(1, true);
    const share = tf.where(total.greater(0), entropies.div(total.maximum(1e-30)), tf.fill(entropies.shape, 1 / count));
    return tf.sub(1, share).div(count - 1) as tf.Tensor2D;
  });
}
