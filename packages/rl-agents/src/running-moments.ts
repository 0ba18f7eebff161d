import * as tf from '@tensorflow/tfjs';
import { maskedMean } from './masked.js';
import type { Variables } from './network.js';

/** Mean and variance of rows seen so far, per column. */
export interface RunningMoments {
  readonly variables: Variables;
  /** @param rows [N, S] */
  absorb(rows: tf.Tensor2D): void;
  /** (x − mean) / deviation, within ±10; x itself before anything was absorbed. */
  normalize(x: tf.Tensor2D): tf.Tensor2D;
}

/**
 * Moments merged batch by batch (Chan, Golub & LeVeque 1983): with share a = n / min(count, window) of the new rows,
 * mean ← mean + a δ, variance ← (1 − a) variance + a variance' + a (1 − a) δ². Exact over the first `window` rows,
 * exponentially forgetting after that, as the states of a moving student do move.
 */
export function createRunningMoments(size: number, window = 100_000): RunningMoments {
  const variables = tf.tidy(() => ({
    count: tf.variable(tf.scalar(0), false),
    mean: tf.variable(tf.zeros([size]), false),
    variance: tf.variable(tf.ones([size]), false),
  }));
  const { count, mean, variance } = variables;
  return {
    variables,
    absorb: (rows) =>
      tf.tidy(() => {
        const share = addRows(count, rows.shape[0], window);
        const rest = tf.sub(1, share);
        const batchMean = rows.mean(0);
        const batchVariance = rows.sub(batchMean).square().mean(0);
        const delta = batchMean.sub(mean);
        variance.assign(
          variance.mul(rest).add(batchVariance.mul(share)).add(delta.square().mul(share).mul(rest)) as tf.Tensor,
        );
        mean.assign(mean.add(delta.mul(share)));
      }),
    normalize: (x) => tf.tidy(() => x.sub(mean).div(variance.add(1e-8).sqrt()).clipByValue(-10, 10) as tf.Tensor2D),
  };
}

/** Root of the mean square of numbers seen so far, over a window like that of {@link createRunningMoments}. */
export interface RunningScale {
  readonly variables: Variables;
  /** @param mask 0 of values that do not count */
  absorb(values: tf.Tensor1D | tf.Tensor2D, mask?: tf.Tensor1D): void;
  /** x / (root mean square + 1e-8). */
  scale<T extends tf.Tensor>(x: T): T;
}

/** @param window rows after which the past is forgotten exponentially */
export function createRunningScale(window = 10_000): RunningScale {
  const variables = tf.tidy(() => ({
    count: tf.variable(tf.scalar(0), false),
    square: tf.variable(tf.scalar(0), false),
  }));
  const { count, square } = variables;
  return {
    variables,
    absorb: (values, mask) =>
      tf.tidy(() => {
        const share = addRows(count, values.shape[0], window);
        const mean = maskedMean(values.square(), mask);
        square.assign(square.add(mean.sub(square).mul(share)));
      }),
    scale: (x) => tf.tidy(() => x.div(square.sqrt().add(1e-8))),
  };
}

/** Adds to the count and returns the share of the new rows in it. The count is a tensor, so that a replayed step sees it move. */
function addRows(count: tf.Variable, rows: number, window: number): tf.Tensor {
  count.assign(count.add(rows).minimum(Math.max(rows, window)));
  return tf.div(rows, count);
}
