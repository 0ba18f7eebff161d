import type { Objective } from '@retort/core';
import { untaped } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';

/**
 * (r − mean) / deviation of each sample among the samples of its prompt (Shao et al. 2024, §4.1.2), in float64. A prompt whose samples
 * all earn the same says nothing about what to change: its advantages are 0, and not 0 / 0 or a rounding error blown up.
 *
 * @param rewards [B · G], the samples of a prompt side by side
 * @returns advantages [B · G], and in how many of the B groups rewards differ
 */
export function groupAdvantages(
  rewards: ArrayLike<number>,
  samples: number,
): { advantages: Float32Array; mixed: number } {
  const advantages = new Float32Array(rewards.length);
  let mixed = 0;
  for (let from = 0; from < rewards.length; from += samples) {
    const group = Array.from({ length: samples }, (_, g) => rewards[from + g]);
    if (group.every((reward) => reward === group[0])) continue;
    mixed++;
    const mean = group.reduce((a, b) => a + b) / samples;
    const deviation = Math.sqrt(group.reduce((sum, reward) => sum + (reward - mean) ** 2, 0) / samples);
    group.forEach((reward, g) => (advantages[from + g] = (reward - mean) / deviation));
  }
  return { advantages, mixed };
}

/**
 * exp(d) − d − 1 with d = log π_ref − log π, the estimate of KL(π ‖ π_ref) from a token drawn from π: never negative, and its mean is the
 * divergence (Schulman 2020, k3; Shao et al. 2024, eq. 4).
 */
export function klEstimate(logProbability: tf.Tensor2D, logReference: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => {
    // Beyond e^±20 it says no more, and e^89 would overflow.
    const d = logReference.sub<tf.Tensor2D>(logProbability).clipByValue(-20, 20);
    return d.exp().sub(d).sub(1);
  });
}

/**
 * log softmax(z / τ) of the tokens that were taken, each given those before it.
 *
 * @param tokenLogits [B, N, V]
 * @param tokens [B, N] int32
 * @returns [B, N − 1], of all tokens but the first
 */
export function takenLogProbability(tokenLogits: tf.Tensor3D, tokens: tf.Tensor2D, temperature: number): tf.Tensor2D {
  return tf.tidy(() => {
    const [rows, length, vocabulary] = tokenLogits.shape;
    const before = tokenLogits.slice([0, 0, 0], [rows, length - 1, vocabulary]).div<tf.Tensor3D>(temperature);
    const next = untaped(() => tf.oneHot(tokens.slice([0, 1], [rows, length - 1]).toInt(), vocabulary));
    return tf.logSoftmax(before).mul(next).sum(2);
  });
}

/** Answers that were drawn, and what is known of them. */
export interface DrawnAnswers {
  /** [R, N − 1]: 1 at tokens of the answer. */
  mask: tf.Tensor2D;
  /** [R, N − 1] of the policy that drew. */
  oldLogProbability: tf.Tensor2D;
  /** [R, N − 1] of the reference; absent where nothing keeps the policy near one. */
  referenceLogProbability?: tf.Tensor2D;
  /** [R]; every token of an answer has the answer's. */
  advantage: tf.Tensor1D;
}

/**
 * The loss of GRPO (Shao et al. 2024, eq. 3, to be minimized): the objective's of each token plus `kl` times its {@link klEstimate}, mean
 * over the tokens of an answer, then over answers.
 *
 * @param logProbability [R, N − 1] of the policy being trained
 */
export function grpoLoss(
  objective: Objective,
  logProbability: tf.Tensor2D,
  { mask, oldLogProbability, referenceLogProbability, advantage }: DrawnAnswers,
  kl: number,
): { loss: tf.Scalar; kl?: tf.Scalar } {
  return tf.tidy(() => {
    const { shape } = mask;
    const perToken = objective({
      logProbability: logProbability.as1D(),
      oldLogProbability: oldLogProbability.as1D(),
      advantage: advantage.expandDims(1).mul<tf.Tensor2D>(tf.onesLike(mask)).as1D(),
      mask: mask.as1D(),
    }).reshape<tf.Tensor2D>(shape);
    const lengths = untaped(() => mask.sum(1).maximum(1));
    const overAnswers = (values: tf.Tensor2D) => values.mul(mask).sum(1).div(lengths).mean<tf.Scalar>();
    const loss = overAnswers(perToken);
    if (!referenceLogProbability) return { loss };
    const distance = overAnswers(klEstimate(logProbability, referenceLogProbability));
    return { loss: loss.add(distance.mul(kl)), kl: distance };
  });
}
