import { untaped } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';

/** What tells numbers apart must be more than a rounding error, in parts of the greatest. */
const tie = 1e-5;

/**
 * (x − mean) / deviation, both of `reference` over its first axis and constants to gradients; zeros where its numbers are all the same.
 *
 * @param x [N] or [N, M]
 * @param reference [R] or [R, M]
 */
export function standardize<T extends tf.Tensor>(x: T, reference: tf.Tensor): T {
  return tf.tidy(() => {
    const { mean, scale } = untaped(() => {
      const mean = reference.mean(0, true);
      const deviation = reference.sub(mean).square().mean(0, true).sqrt();
      const differ = deviation.greater(reference.abs().max(0, true).mul(tie)).cast('float32');
      // A 1 in the place of a deviation of 0 keeps what is multiplied by 0 finite.
      return { mean, scale: differ.div(deviation.add(tf.sub(1, differ))) };
    });
    return x.sub(mean).mul(scale) as T;
  });
}
