import { untaped } from '@retort/nn';
import type * as tf from '@tensorflow/tfjs';

/**
 * x less its mean along an axis. Where x is constant up to rounding (its deviation below a millionth of its size) the result is
 * exactly zero and has no gradient: what divides it by its deviation would otherwise blow rounding up to noise of size one.
 *
 * @param x [N, M]
 * @returns [N, M]
 */
export function center(x: tf.Tensor2D, axis: 0 | 1): tf.Tensor2D {
  const centered = x.sub<tf.Tensor2D>(x.mean(axis, true));
  const varies = untaped(() =>
    centered.square().mean(axis, true).greater(x.square().mean(axis, true).mul(1e-12)).cast('float32'),
  );
  return centered.mul(varies);
}
