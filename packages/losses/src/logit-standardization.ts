import { z } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { center } from './center.js';

/** The option `standardize` of losses that compare softened logits. */
export const standardizeOption = z
  .boolean()
  .default(false)
  .describe(
    "Bring each sample's logits to mean 0 and deviation 1 on both sides first, so that the student need not match the " +
      "teacher's scale (Sun et al. 2024, who use temperature 2 and a weight of about 9).",
  );

/**
 * (z − mean z) / deviation z over classes (Sun et al. 2024, "Logit Standardization in Knowledge Distillation", algorithm 1).
 *
 * The deviation divides by C, as in the algorithm. The published code and the paper's example divide by C − 1, which is the same as
 * a temperature higher by √(C / (C − 1)).
 *
 * @param logits [B, C]
 * @returns [B, C]; a row of equal logits, or of one class, gives zeros and no gradient
 */
export function standardizeLogits(logits: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => {
    const centered = center(logits, 1);
    return centered.div(centered.square().mean(1, true).maximum(1e-24).sqrt());
  });
}
