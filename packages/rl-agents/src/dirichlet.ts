import { definePart, type Distribution, InputError, z } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { openUniform } from './distribution.js';
import { digamma, logGamma } from './log-gamma.js';

/** Proposals per gamma variate. Each is accepted with probability 0.95 or more: all eight fail once in 10¹⁰. */
const proposals = 8;
/** Least concentration a policy can ask for. */
const floor = 0.01;
/** softplus(offset) = 1 − floor, so that parameters of zero give Dirichlet(1, …, 1), uniform over the simplex. */
const offset = Math.log(Math.expm1(1 - floor));

/** Weights that sum to one: concentration α = 0.01 + softplus(parameter + 0.525…), [B, M]. */
export const dirichlet = definePart('distribution', {
  name: 'dirichlet',
  summary: 'Dirichlet. For simplex actions.',
  options: z.strictObject({}),
  create: (_, { space, path }) => {
    if (space.kind !== 'simplex') throw new InputError(`${path}: dirichlet needs a simplex action, not ${space.kind}`);
    return createDirichlet(space.size);
  },
});

export function createDirichlet(size: number): Distribution {
  const concentration = (parameters: tf.Tensor2D) => tf.softplus(parameters.add(offset)).add<tf.Tensor2D>(floor);
  return {
    dependent: size,
    shared: [],
    noise: (batchSize) => ({
      normal: { shape: [proposals, batchSize, size], from: 'normal' },
      uniform: { shape: [proposals + 1, batchSize, size], from: 'uniform' },
    }),
    sample: (parameters, { normal, uniform }) =>
      tf.tidy(() => sampleDirichlet(concentration(parameters), normal as tf.Tensor3D, uniform as tf.Tensor3D)),
    logProbability: (parameters, action) =>
      tf.tidy(() => dirichletLogProbability(concentration(parameters), action as tf.Tensor2D)),
    entropy: (parameters) => tf.tidy(() => dirichletEntropy(concentration(parameters))),
    // The mean: the true mode jumps to a corner as soon as one concentration passes 1, and a reward linear in the weights
    // earns at the mean what the policy earns on average.
    mode: (parameters) =>
      tf.tidy(() => {
        const alpha = concentration(parameters);
        return alpha.div(alpha.sum(1, true));
      }),
  };
}

/**
 * Normalized gamma variates by Marsaglia & Tsang (2000), the first accepted of a fixed number of proposals, for every
 * component at once; concentrations below 1 by their boost, Γ(α) = Γ(α + 1) · U^(1/α). In logarithms, so that small
 * concentrations do not underflow.
 *
 * @param concentration [B, M], positive
 * @param normal [K, B, M]
 * @param uniform [K + 1, B, M] in [0, 1)
 * @returns [B, M], rows sum to one
 */
export function sampleDirichlet(concentration: tf.Tensor2D, normal: tf.Tensor3D, uniform: tf.Tensor3D): tf.Tensor2D {
  return tf.tidy(() => {
    const boosted = concentration.less(1);
    const d = concentration.add(boosted.cast('float32')).sub(1 / 3);
    const c = d.mul(9).rsqrt();
    const uniforms = openUniform(uniform).log().unstack();
    const boost = uniforms.pop()!;
    // Should all proposals fail: v = 1, the value at the center of the proposal.
    let logV: tf.Tensor = tf.zerosLike(d);
    const normals = normal.unstack();
    for (let k = normals.length - 1; k >= 0; k--) {
      const x = normals[k];
      const root = x.mul(c).add(1);
      const logRoot = root.maximum(1e-20).log().mul(3);
      const bound = x
        .square()
        .mul(0.5)
        .add(d.mul(logRoot.add(1).sub(root.mul(root).mul(root))));
      logV = tf.where(root.greater(0).logicalAnd(uniforms[k].less(bound)), logRoot, logV);
    }
    const logGammaVariate = d
      .log()
      .add(logV)
      .add(tf.where(boosted, boost.div(concentration), tf.zerosLike(d)));
    return tf.softmax(logGammaVariate as tf.Tensor2D);
  });
}

/**
 * log Γ(Σα) − Σ log Γ(α_m) + Σ (α_m − 1) log w_m.
 *
 * @param action [B, M]; weights below 1e-30 count as 1e-30
 * @returns [B]
 */
export function dirichletLogProbability(concentration: tf.Tensor2D, action: tf.Tensor2D): tf.Tensor1D {
  return tf.tidy(() => {
    const logWeights = action.maximum(1e-30).log();
    return logGamma(concentration.sum<tf.Tensor1D>(1))
      .sub<tf.Tensor1D>(logGamma(concentration).sum(1))
      .add(concentration.sub(1).mul(logWeights).sum(1));
  });
}

/** @returns [B] Σ log Γ(α_m) − log Γ(α_0) + (α_0 − M) ψ(α_0) − Σ (α_m − 1) ψ(α_m), with α_0 = Σα */
export function dirichletEntropy(concentration: tf.Tensor2D): tf.Tensor1D {
  return tf.tidy(() => {
    const total = concentration.sum<tf.Tensor1D>(1);
    return logGamma(concentration)
      .sum<tf.Tensor1D>(1)
      .sub<tf.Tensor1D>(logGamma(total))
      .add<tf.Tensor1D>(total.sub(concentration.shape[1]).mul(digamma(total)))
      .sub(concentration.sub(1).mul(digamma(concentration)).sum(1));
  });
}
