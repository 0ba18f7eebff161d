import { definePart, z } from '@retort/core';
import * as tf from '@tensorflow/tfjs';

declare module '@retort/core' {
  interface PartKinds {
    objective: { context: undefined; instance: Objective };
  }
}

/** What a policy objective may look at, [B] each. Gradients flow through `logProbability` only. */
export interface ObjectiveInput {
  /** log π(a|s) under the policy being trained. */
  logProbability: tf.Tensor1D;
  /** log π(a|s) under the policy that acted. */
  oldLogProbability: tf.Tensor1D;
  /** How much better the action was than expected. */
  advantage: tf.Tensor1D;
  /** 0 leaves a sample out, 1 keeps it. */
  mask?: tf.Tensor1D;
  /** int32; samples of one group were drawn from one state. */
  group?: tf.Tensor1D;
}

/** A policy objective: a pure function that gives one loss per sample [B], to be minimized. */
export type Objective = (input: ObjectiveInput) => tf.Tensor1D;

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
