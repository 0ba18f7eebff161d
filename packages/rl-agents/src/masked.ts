import * as tf from '@tensorflow/tfjs';

/** Zeros where the mask is 0, whatever stands there. */
export function masked<T extends tf.Tensor>(x: T, mask: tf.Tensor | undefined): T {
  return mask ? (tf.where(mask.greater(0), x, tf.zerosLike(x)) as T) : x;
}

/** Mean over the rows whose mask is 1, over all of them without one; 0 of no rows. */
export function maskedMean(x: tf.Tensor1D | tf.Tensor2D, mask: tf.Tensor | undefined): tf.Scalar {
  if (!mask) return x.mean();
  return masked(x, mask).sum<tf.Scalar>().div(mask.sum().maximum(1));
}
