import { definePart, type Distribution, InputError, z } from '@retort/core';
import * as tf from '@tensorflow/tfjs';

const logTwoPi = Math.log(2 * Math.PI);

/** Real numbers between bounds: mid + half · tanh(u), u ~ N(μ, diag σ²); μ [B, n] from the state, log σ [n] learned. */
export const gaussian = definePart('distribution', {
  name: 'gaussian',
  summary: 'Diagonal Gaussian squashed into its bounds by tanh. For box actions.',
  options: z.strictObject({
    deviation: z.number().positive().default(0.5).describe('Initial standard deviation, before tanh.'),
  }),
  create: ({ deviation }, { space, path }) => {
    if (space.kind !== 'box') throw new InputError(`${path}: gaussian needs a box action, not ${space.kind}`);
    return createGaussian(space, deviation);
  },
});

/** @throws InputError when a bound is not finite */
export function createGaussian(bounds: { low: number[]; high: number[] }, deviation = 0.5): Distribution {
  const size = bounds.low.length;
  const scale = boxScale(bounds);
  const split = (parameters: tf.Tensor2D) => tf.split<tf.Tensor2D>(parameters, 2, 1);
  return {
    dependent: size,
    shared: new Array<number>(size).fill(Math.log(deviation)),
    noise: (batchSize) => ({ normal: { shape: [batchSize, size], from: 'normal' } }),
    sample: (parameters, { normal }) =>
      tf.tidy(() => {
        const [mean, logDeviation] = split(parameters);
        return scale.fromUnit(tf.tanh(mean.add(logDeviation.exp().mul(normal)) as tf.Tensor2D));
      }),
    // The density of u. At the bounds tanh⁻¹ is infinite: it stops where float32 does.
    logProbability: (parameters, action) =>
      tf.tidy(() => {
        const [mean, logDeviation] = split(parameters);
        const unit = scale.toUnit(action as tf.Tensor2D).clipByValue(1e-6 - 1, 1 - 1e-6) as tf.Tensor2D;
        return gaussianLogProbability(mean, logDeviation, tf.atanh(unit));
      }),
    entropy: (parameters) => tf.tidy(() => gaussianEntropy(split(parameters)[1])),
    mode: (parameters) => tf.tidy(() => scale.fromUnit(tf.tanh(split(parameters)[0]))),
  };
}

/** Maps between a box [B, n] and [−1, 1]. @throws InputError when a bound is not finite */
export function boxScale({ low, high }: { low: number[]; high: number[] }) {
  if (![...low, ...high].every(Number.isFinite) || low.some((value, i) => value >= high[i])) {
    throw new InputError(`a box action needs finite bounds, low below high: low [${low}], high [${high}]`);
  }
  const mid = low.map((value, i) => (value + high[i]) / 2);
  const half = low.map((value, i) => (high[i] - value) / 2);
  return {
    fromUnit: (unit: tf.Tensor2D): tf.Tensor2D => unit.mul(half).add(mid),
    toUnit: (action: tf.Tensor2D): tf.Tensor2D => action.sub(mid).div(half),
  };
}

/**
 * Σ_i −½ ((x_i − μ_i) / σ_i)² − log σ_i − ½ log 2π.
 *
 * @param mean [B, n]
 * @param logDeviation [B, n]
 * @returns [B]
 */
export function gaussianLogProbability(mean: tf.Tensor2D, logDeviation: tf.Tensor2D, x: tf.Tensor2D): tf.Tensor1D {
  return tf.tidy(() =>
    x
      .sub(mean)
      .mul(logDeviation.neg().exp())
      .square()
      .mul(-0.5)
      .sub(logDeviation)
      .sub(0.5 * logTwoPi)
      .sum(1),
  );
}

/** @returns [B] Σ_i log σ_i + ½ (1 + log 2π) */
export function gaussianEntropy(logDeviation: tf.Tensor2D): tf.Tensor1D {
  return tf.tidy(() => logDeviation.add(0.5 * (1 + logTwoPi)).sum(1));
}
