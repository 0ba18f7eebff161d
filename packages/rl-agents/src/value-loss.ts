import type { TensorMap } from '@retort/nn';
import type * as tf from '@tensorflow/tfjs';
import { maskedMean } from './masked.js';

/**
 * ½ mean (V − target)². With a clip the larger of that error and of the error of V kept within the clip of `oldValue`, what it was
 * while acting, as PPO's first code had it: values that moved further and are wrong either way are not moved on.
 *
 * @param batch `target` and, with a clip, `oldValue` [N]; `mask` [N] where there are rows that do not count
 */
export function valueLoss(value: tf.Tensor1D, { target, oldValue, mask }: TensorMap, clip?: number): tf.Scalar {
  let error = value.sub<tf.Tensor1D>(target).square();
  if (clip !== undefined) {
    const kept = oldValue.add(value.sub(oldValue).clipByValue(-clip, clip));
    error = error.maximum(kept.sub(target).square());
  }
  return maskedMean(error, mask).mul(0.5);
}
