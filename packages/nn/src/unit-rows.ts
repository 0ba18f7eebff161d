import * as tf from '@tensorflow/tfjs';
import { untaped } from './stop-gradient.js';

/**
 * x / ‖x‖ along the last axis. A row no longer than `tiny` gives zeros and no gradient: it has no direction, and the derivative
 * of a division by its length would be huge.
 *
 * @param x [..., D]
 * @returns [..., D]
 */
export function unitRows<T extends tf.Tensor>(x: T, tiny = 1e-8): T {
  return tf.tidy(() => {
    const squared = x.square().sum(-1, true);
    const long = untaped(() => squared.greater(tiny ** 2).cast('float32'));
    return x.mul(long.div(squared.maximum(tiny ** 2).sqrt())) as T;
  });
}
