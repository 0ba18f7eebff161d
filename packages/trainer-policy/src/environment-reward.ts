import type { EnvironmentSpaces, RunScope, Seeds, StateTree, Teacher, UpdateReport } from '@retort/core';

declare module '@retort/core' {
  interface PartKinds {
    'environment-reward': { context: EnvironmentRewardContext; instance: EnvironmentReward };
  }
}

export interface EnvironmentRewardContext {
  /** Of the environment that is acted in. */
  spaces: EnvironmentSpaces;
  /** N, copies that are stepped together. */
  count: number;
  /** γ by which the agent discounts. */
  discount: number;
  /** The run's teachers. */
  teachers: readonly Teacher[];
  scope: RunScope;
  seeds: Seeds;
  /** Where the reward stands in the manifest, for errors. */
  path: string;
}

/** One step of N copies. Arrays are read inside the call. */
export interface EnvironmentTransition {
  /** [N, …shape] what was acted on. */
  observations: Float32Array;
  /** [N, …shape] what that led to: the last observation of an episode where one ended. */
  nextObservations: Float32Array;
  /** [N, …shape] what is acted on next: the first observation of a new episode where one ended. */
  following: Float32Array;
  /** [N] what the environment gave. */
  rewards: Float32Array;
  /** [N] 1 where the episode ended by the environment's own rules. */
  terminated: Uint8Array;
  /** [N] 1 where it was cut off. */
  truncated: Uint8Array;
  /** [N] 0 of a copy whose episode was over before this step; absent where none is. */
  mask?: Uint8Array;
}

/** What is added to an environment's rewards. Everything that changes is in `save`. */
export interface EnvironmentReward {
  /** Before the first step, and whenever all copies were started anew. @param observations [N, …shape] */
  begin?(observations: Float32Array): Promise<void>;
  /** @returns [N], to be added to what the environment gave, times the reward's weight */
  reward(transition: EnvironmentTransition): Promise<ArrayLike<number>>;
  /** Learns from the transitions since the last call, where it learns. @returns scalars for the log; the caller disposes them */
  update?(): UpdateReport;
  save(): Promise<StateTree>;
  load(state: StateTree): void;
  dispose?(): void;
}
