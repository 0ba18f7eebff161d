import { definePart, type Objective, z } from '@retort/core';
import * as tf from '@tensorflow/tfjs';

/** −A log π(a|s) (Williams 1992). */
export const reinforceObjective: Objective = ({ logProbability, advantage, mask }) =>
  tf.tidy(() => masked(logProbability.mul<tf.Tensor1D>(advantage).neg(), mask));

/** −min(ρ A, clip(ρ, 1 − ε, 1 + ε) A), ρ = π(a|s) / π_old(a|s) (Schulman et al. 2017, eq. 7). */
export function ppoObjective(clip: number): Objective {
  return ({ logProbability, oldLogProbability, advantage, mask }) =>
    tf.tidy(() => {
      // Beyond e^±20 the ratio says no more, and e^89 would overflow.
      const ratio = logProbability.sub(oldLogProbability).clipByValue(-20, 20).exp();
      const clipped = ratio.clipByValue(1 - clip, 1 + clip);
      return masked(ratio.mul(advantage).minimum<tf.Tensor1D>(clipped.mul(advantage)).neg(), mask);
    });
}

function masked(loss: tf.Tensor1D, mask: tf.Tensor1D | undefined): tf.Tensor1D {
  return mask ? tf.where(mask.greater(0), loss, tf.zerosLike(loss)) : loss;
}

export const reinforce = definePart('objective', {
  name: 'reinforce',
  summary: 'Log-probability times advantage.',
  options: z.strictObject({}),
  create: () => reinforceObjective,
});

export const clippedSurrogate = definePart('objective', {
  name: 'ppo',
  summary: 'Probability ratio times advantage, clipped.',
  options: z.strictObject({
    clip: z.number().gt(0).lt(1).default(0.2).describe('How far the probability ratio may move and still earn.'),
  }),
  create: ({ clip }) => ppoObjective(clip),
});

/** {@link ppoObjective} under the name that says what its advantages are (Shao et al. 2024, eq. 3, without the KL term). */
export const groupRelative = definePart('objective', {
  name: 'grpo',
  summary: 'That of ppo, for advantages within the samples of a group.',
  options: z.strictObject({
    clip: z.number().gt(0).lt(1).default(0.2).describe('How far the probability ratio may move and still earn.'),
  }),
  create: ({ clip }) => ppoObjective(clip),
});
