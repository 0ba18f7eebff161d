import type { ActionSpace } from '@retort/core';
import type * as tf from '@tensorflow/tfjs';

/**
 * The kinds `objective` and `distribution` as @retort/rl-agents declares them. A trainer takes its agents' parts from the container and
 * imports none, so what it uses of them is written down here once more; where both packages are in one program, as in our tests,
 * TypeScript refuses the two when they differ.
 */
declare module '@retort/core' {
  interface PartKinds {
    objective: { context: undefined; instance: Objective };
    distribution: { context: { space: ActionSpace; path: string }; instance: Distribution };
  }
}

/** One loss per sample [B], to be minimized; gradients flow through `logProbability` only. */
export type Objective = (input: {
  logProbability: tf.Tensor1D;
  oldLogProbability: tf.Tensor1D;
  advantage: tf.Tensor1D;
  mask?: tf.Tensor1D;
  group?: tf.Tensor1D;
}) => tf.Tensor1D;

/** Random numbers by name: a standard normal or a uniform in [0, 1) for each element. */
export type NoiseShapes = Record<string, { shape: number[]; from: 'normal' | 'uniform' }>;

/** A family of distributions over one action space, given by parameters [B, P]. */
export interface Distribution {
  readonly dependent: number;
  readonly shared: readonly number[];
  noise(batchSize: number): NoiseShapes;
  sample(parameters: tf.Tensor2D, noise: Record<string, tf.Tensor>): tf.Tensor;
  logProbability(parameters: tf.Tensor2D, action: tf.Tensor): tf.Tensor1D;
  entropy(parameters: tf.Tensor2D): tf.Tensor1D;
  mode(parameters: tf.Tensor2D): tf.Tensor;
}
