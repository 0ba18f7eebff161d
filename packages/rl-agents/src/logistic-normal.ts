import { definePart, type Distribution, InputError, z } from '@retort/core';
import * as tf from '@tensorflow/tfjs';

const logTwoPi = Math.log(2 * Math.PI);

/**
 * Weights that sum to one: softmax(u), u ~ N(μ, σ² I) (Aitchison & Shen 1980); μ [B, M] from the state, one log σ per head.
 *
 * Softmax forgets a common constant, so a density over the M logits cannot be had back from the weights. What can is the
 * centered logit v = log w − mean(log w): with one σ for all components it is Gaussian on the M − 1 dimensional subspace of
 * zero sum, N(μ − mean μ, σ² (I − 11ᵀ/M)). Densities and entropies here are those of v; the density of w is that times
 * √M⁻¹ Π_m 1/w_m, which cancels in ratios and gradients. Every component is treated alike.
 */
export const logisticNormal = definePart('distribution', {
  name: 'logistic-normal',
  summary: 'Softmax of Gaussian logits. For simplex actions.',
  options: z.strictObject({
    deviation: z.number().positive().default(1).describe('Initial standard deviation of the logits.'),
  }),
  create: ({ deviation }, { space, path }) => {
    if (space.kind !== 'simplex') {
      throw new InputError(`${path}: logistic-normal needs a simplex action, not ${space.kind}`);
    }
    return createLogisticNormal(space.size, deviation);
  },
});

export function createLogisticNormal(size: number, deviation = 1): Distribution {
  const split = (parameters: tf.Tensor2D) => tf.split<tf.Tensor2D>(parameters, [size, 1], 1);
  return {
    dependent: size,
    shared: [Math.log(deviation)],
    noise: (batchSize) => ({ normal: { shape: [batchSize, size], from: 'normal' } }),
    sample: (parameters, { normal }) =>
      tf.tidy(() => {
        const [mean, logDeviation] = split(parameters);
        return tf.softmax(mean.add(logDeviation.exp().mul(normal)));
      }),
    logProbability: (parameters, action) =>
      tf.tidy(() => {
        const [mean, logDeviation] = split(parameters);
        return logisticNormalLogProbability(mean, logDeviation, action as tf.Tensor2D);
      }),
    entropy: (parameters) =>
      tf.tidy(() =>
        split(parameters)[1]
          .sum<tf.Tensor1D>(1)
          .add(0.5 * (1 + logTwoPi))
          .mul(size - 1),
      ),
    // Exactly: the geometric mean, normalized. The mode proper has no closed form.
    mode: (parameters) => tf.tidy(() => tf.softmax(split(parameters)[0])),
  };
}

/**
 * −‖v − (μ − mean μ)‖² / 2σ² − (M − 1) (log σ + ½ log 2π), v = log w − mean(log w).
 *
 * @param mean [B, M] of the logits
 * @param logDeviation [B, 1]
 * @param weights [B, M]; below 1e-30 they count as 1e-30
 * @returns [B]
 */
export function logisticNormalLogProbability(
  mean: tf.Tensor2D,
  logDeviation: tf.Tensor2D,
  weights: tf.Tensor2D,
): tf.Tensor1D {
  return tf.tidy(() => {
    const difference = weights.maximum(1e-30).log().sub(mean);
    const centered = difference.sub(difference.mean(1, true));
    const logSigma = logDeviation.sum<tf.Tensor1D>(1);
    return centered
      .mul(logDeviation.neg().exp())
      .square()
      .sum<tf.Tensor1D>(1)
      .mul<tf.Tensor1D>(-0.5)
      .sub(logSigma.add(0.5 * logTwoPi).mul(mean.shape[1] - 1));
  });
}
