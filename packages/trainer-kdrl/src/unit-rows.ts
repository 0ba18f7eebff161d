import { untaped } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';

/** Shorter rows have no direction. */
const tiny = 1e-8;

/** x / ‖x‖ along the last axis; a row of zeros gives zeros, and no gradient. */
export function unitRows<T extends tf.Tensor>(x: T): T {
  return tf.tidy(() => {
    const squared = x.square().sum(-1, true);
    const long = untaped(() => squared.greater(tiny ** 2).cast('float32'));
    return x.mul(long.div(squared.maximum(tiny ** 2).sqrt())) as T;
  });
}
