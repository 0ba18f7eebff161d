import type { Scalar, Tensor, Tensor1D, Tensor2D, Variable } from '@tensorflow/tfjs';
import type { HostTensor, Stateful } from './host-tensor.js';
import type { RunScope } from './registry.js';
import type { NetworkOutput } from './network-output.js';
import type { Seeds } from './seeds.js';
import type { Student } from './student.js';

/** One head of an action. */
export type ActionSpace =
  | { kind: 'simplex'; size: number }
  | { kind: 'discrete'; size: number }
  | { kind: 'box'; low: number[]; high: number[] };

/** M non-negative numbers that sum to one. */
export const simplex = (size: number): ActionSpace => ({ kind: 'simplex', size });
/** One of n. */
export const discrete = (size: number): ActionSpace => ({ kind: 'discrete', size });
/** Real numbers between bounds. */
export const box = (low: number[], high: number[]): ActionSpace => ({ kind: 'box', low, high });

/** Numbers of one head of an action: simplex [B, M], box [B, n], discrete [B] int32. */
export type ActionTensors = Record<string, Tensor>;

export interface Decision {
  action: ActionTensors;
  /** [B] log-density of the whole action under the policy that took it; absent for deterministic policies. */
  logProbability?: Tensor1D;
}

/** B transitions. Tensors are read inside the call; an agent that keeps one clones it. */
export interface Experience {
  /** [B, S]. */
  state: Tensor2D;
  action: ActionTensors;
  logProbability?: Tensor1D;
  /** [B] what the action earned. */
  reward: Tensor1D;
  /**
   * [B, M] per simplex head: what each component would earn alone (reward is linear in the action). Lets a policy gradient
   * be exact instead of sampled.
   */
  componentReward?: Record<string, Tensor2D>;
  /**
   * [B, M] per simplex head: what the action is mixed with before it takes effect, as (1 − Σ_m prior_m) · action + prior. Absent
   * where actions take effect as they are.
   */
  prior?: Record<string, Tensor2D>;
  /** [B, S]; absent in one-step problems, where every transition ends its episode. */
  nextState?: Tensor2D;
  /** [B] 0 or 1: the episode ended by its own rules. */
  terminated?: Tensor1D;
  /** [B] 0 or 1: the episode was cut off; its value is bootstrapped. */
  truncated?: Tensor1D;
  /** [B] 0 or 1: 0 of a copy whose episode was over before this step, where whole episodes are collected. */
  mask?: Tensor1D;
  /** What the agent's guidance compares with, [B, …] each, of the same states. */
  reference?: Record<string, Tensor>;
}

/** Scalars of one update, for the log. The caller disposes them. */
export type UpdateReport = Record<string, Scalar>;

/**
 * A learner that owns its networks. `act`, `observe` and `update` are synchronous and read nothing back; random numbers come
 * from `noise` and from the agent's own stream, drawn on the host.
 */
export interface Agent extends Stateful {
  readonly variables: Record<string, Variable>;
  /** Host random numbers for one `act` that explores with this many states; empty for deterministic policies. */
  noise(batchSize: number): Record<string, HostTensor>;
  /** With noise the policy explores; without it takes its mode. */
  act(state: Tensor2D, noise?: Record<string, Tensor>): Decision;
  observe(experience: Experience): void;
  /**
   * Learns from what it observed; on-policy agents forget it afterwards.
   *
   * @param progress how much of the run is over, in [0, 1), for rates that fall towards its end
   */
  update(progress?: number): UpdateReport;
  /**
   * What a trainer that steps environments collects between two updates when it is not told otherwise: so many steps of each copy,
   * or one whole episode of each copy, all started anew.
   */
  readonly collects?: number | 'episodes';
  /** Tensors held as memory, so that leaks can be told from experience. */
  readonly memoryTensors: number;
  dispose(): void;
}

/** A network that an agent trains in place of one of its own. */
export interface AgentNetwork {
  /** Reads `state`; gives `logits` of a discrete action or `mean` of a box, and, where it has them, `value` and `memory`. */
  student: Student;
  /** […shape] of `state`; agents are given it flat, as [B, S]. */
  observationShape: readonly number[];
  /** Another one of the same architecture with initial values of its own, such as a target network. The caller disposes it. */
  copy(): Promise<Student>;
}

/** A further loss on what an agent's network says: (1 − share) · its own loss + share · the mean of this one. */
export interface Guidance {
  /** In [0, 1]. */
  share: number;
  /**
   * Differentiable in `output`.
   *
   * @param reference what came with the experience, of the same rows
   * @returns [B]
   */
  perSample(output: NetworkOutput, reference: Record<string, Tensor>): Tensor1D;
}

export interface AgentContext {
  /** The network to train. Its one action is the head called `action`. Without it an agent makes networks of its own. */
  network?: AgentNetwork;
  guidance?: Guidance;
  /** S. */
  stateSize: number;
  /** Heads by name: `{ logit: simplex(3), feature: simplex(3) }`. */
  actions: Record<string, ActionSpace>;
  scope: RunScope;
  seeds: Seeds;
  path: string;
}
