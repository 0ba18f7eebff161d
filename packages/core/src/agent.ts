import type { Scalar, Tensor, Tensor1D, Tensor2D, Variable } from '@tensorflow/tfjs';
import type { HostTensor, Stateful } from './host-tensor.js';
import type { RunScope } from './registry.js';
import type { Seeds } from './seeds.js';

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
  /** Learns from what it observed; on-policy agents forget it afterwards. */
  update(): UpdateReport;
  /** Tensors held as memory, so that leaks can be told from experience. */
  readonly memoryTensors: number;
  dispose(): void;
}

export interface AgentContext {
  /** S. */
  stateSize: number;
  /** Heads by name: `{ logit: simplex(3), feature: simplex(3) }`. */
  actions: Record<string, ActionSpace>;
  scope: RunScope;
  seeds: Seeds;
  path: string;
}
