import * as tf from '@tensorflow/tfjs';
import { untaped } from './stop-gradient.js';

/** Variables of a batch normalization over K channels. */
export interface BatchNormVariables {
  gamma: tf.Tensor;
  beta: tf.Tensor;
  movingMean: tf.Variable;
  movingVariance: tf.Variable;
}

/**
 * Batch normalization over all axes but the last (Ioffe & Szegedy 2015).
 *
 * @param mode `train` normalizes with the batch and moves the averages: once per step, in the student's forward pass.
 *   `batch` normalizes with the batch and moves nothing, for further forward passes. `evaluate` uses the averages.
 * @param momentum share of the old average that is kept (0.9 is PyTorch's 0.1); the averaged variance is the unbiased one
 */
export function batchNorm<T extends tf.Tensor>(
  x: T,
  { gamma, beta, movingMean, movingVariance }: BatchNormVariables,
  mode: 'train' | 'batch' | 'evaluate',
  { momentum = 0.9, epsilon = 1e-5 } = {},
): T {
  return tf.tidy(() => {
    if (mode === 'evaluate') {
      return x
        .sub(movingMean)
        .mul(gamma.mul(movingVariance.add(epsilon).rsqrt()))
        .add(beta) as T;
    }
    const axes = x.shape.map((_, axis) => axis).slice(0, -1);
    const mean = x.mean(axes);
    const centered = x.sub(mean);
    const variance = centered.square().mean(axes);
    if (mode === 'train') {
      const count = x.size / x.shape[x.rank - 1];
      const move = (average: tf.Variable, value: tf.Tensor) =>
        average.assign(average.mul(momentum).add(value.mul(1 - momentum)));
      untaped(() => {
        move(movingMean, mean);
        move(movingVariance, variance.mul(count / Math.max(1, count - 1)));
      });
    }
    return centered.mul(gamma.mul(variance.add(epsilon).rsqrt())).add(beta) as T;
  });
}
