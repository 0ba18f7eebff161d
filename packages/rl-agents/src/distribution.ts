import type { ActionSpace, HostTensor, Random } from '@retort/core';
import type * as tf from '@tensorflow/tfjs';

declare module '@retort/core' {
  interface PartKinds {
    distribution: { context: DistributionContext; instance: Distribution };
  }
}

export interface DistributionContext {
  space: ActionSpace;
  path: string;
}

/** Random numbers a sample needs: a standard normal or a uniform in [0, 1) for each element. */
export type NoiseShapes = Record<string, { shape: number[]; from: 'normal' | 'uniform' }>;

/**
 * A family of distributions over one action space. Pure functions of `parameters` [B, P], differentiable in them; whatever
 * network gives the parameters. P = `dependent` + `shared.length`.
 */
export interface Distribution {
  /** Leading columns of `parameters`: a network computes them from the state. All zero means "no preference". */
  readonly dependent: number;
  /** Initial values of the trailing columns: learned, and the same in every state (log standard deviations). */
  readonly shared: readonly number[];
  noise(batchSize: number): NoiseShapes;
  /** Draws an action from noise of the shapes above. Nothing is read back. */
  sample(parameters: tf.Tensor2D, noise: Record<string, tf.Tensor>): tf.Tensor;
  /** [B] log-density; in which coordinates is the distribution's own affair, as that cancels in ratios and gradients. */
  logProbability(parameters: tf.Tensor2D, action: tf.Tensor): tf.Tensor1D;
  /** [B] nats, in the coordinates of `logProbability`. */
  entropy(parameters: tf.Tensor2D): tf.Tensor1D;
  /** The action to take when not exploring. */
  mode(parameters: tf.Tensor2D): tf.Tensor;
}

/** Draws noise of these shapes on the host, in the order of their names' definition. */
export function drawNoise(shapes: NoiseShapes, random: Random): Record<string, HostTensor> {
  return Object.fromEntries(
    Object.entries(shapes).map(([name, { shape, from }]) => {
      const size = shape.reduce((product, n) => product * n, 1);
      return [name, { data: random.fill(new Float32Array(size), from), shape }];
    }),
  );
}

/** Uniform noise kept off 0 and 1, where its logarithms are infinite (a 32-bit uniform may round to 1 in float32). */
export function openUniform<T extends tf.Tensor>(uniform: T): T {
  return uniform.clipByValue(1e-9, 1 - 2 ** -24) as T;
}
