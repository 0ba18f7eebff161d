import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs';
import type { ActionSpace } from './agent.js';

/** What a policy objective may look at, [B] each. Gradients flow through `logProbability` only. */
export interface ObjectiveInput {
  /** log π(a|s) under the policy being trained. */
  logProbability: Tensor1D;
  /** log π(a|s) under the policy that acted. */
  oldLogProbability: Tensor1D;
  /** How much better the action was than expected. */
  advantage: Tensor1D;
  /** 0 leaves a sample out, 1 keeps it. */
  mask?: Tensor1D;
  /** int32; samples of one group were drawn from one state. */
  group?: Tensor1D;
}

/** A policy objective: a pure function that gives one loss per sample [B], to be minimized. */
export type Objective = (input: ObjectiveInput) => Tensor1D;

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
  sample(parameters: Tensor2D, noise: Record<string, Tensor>): Tensor;
  /** [B] log-density; in which coordinates is the distribution's own affair, as that cancels in ratios and gradients. */
  logProbability(parameters: Tensor2D, action: Tensor): Tensor1D;
  /** [B] nats, in the coordinates of `logProbability`. */
  entropy(parameters: Tensor2D): Tensor1D;
  /** The action to take when not exploring. */
  mode(parameters: Tensor2D): Tensor;
}
