import type { Agent, Decision, Experience, HostTensor, StateTree, UpdateReport } from '@retort/core';
import { endPiece, loadVariables, saveVariables } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { createMemory } from './memory.js';
import { prefixed, type Variables } from './network.js';
import { createRollout, type Rollout, type Transitions } from './rollout.js';
import { createRunningMoments } from './running-moments.js';

/** What sets one on-policy agent apart from another. */
export interface OnPolicyMethod {
  readonly variables: Variables;
  /** Those that are not the agent's to dispose. */
  readonly borrowed?: readonly tf.Variable[];
  readonly collects?: number | 'episodes';
  /** Whether it acts on states as they are. */
  readonly actsOnPlainStates?: boolean;
  /** M of a policy that remembers. */
  readonly memorySize?: number;
  noise(batchSize: number): Record<string, HostTensor>;
  /**
   * @param state [B, S], normalized unless it acts on plain states
   * @param memory [B, M]
   */
  act(state: tf.Tensor2D, noise?: Record<string, tf.Tensor>, memory?: tf.Tensor2D): Decision & { memory?: tf.Tensor2D };
  /** What to remember of an experience. */
  record(experience: Experience): Transitions;
  /**
   * @param see normalizes states of the rollout
   * @param progress of the run, in [0, 1)
   */
  learn(rollout: Rollout, see: (state: tf.Tensor2D) => tf.Tensor2D, progress: number): UpdateReport;
}

/**
 * An agent that learns from what it observed since its last update and then forgets it.
 *
 * Normalization of states is the same from acting to learning, or probability ratios would be wrong: what was observed goes
 * into it after learning. The first time it goes in before: output layers start at zero, so that the policy that acted does not
 * depend on the state, and the first gradients shall not see raw scales.
 */
export function createOnPolicyAgent(method: OnPolicyMethod, stateSize: number, normalizeState: boolean): Agent {
  const rollout = createRollout();
  const memory = method.memorySize ? createMemory(method.memorySize) : undefined;
  const moments = normalizeState ? createRunningMoments(stateSize) : undefined;
  const variables: Variables = { ...method.variables, ...(moments && prefixed('moments', moments.variables)) };
  const see = (state: tf.Tensor2D) => (moments ? moments.normalize(state) : state);
  let updates = 0;
  const absorb = () => {
    if (!moments) return;
    // A piece of work of its own, so that it is the same one before the first update and after all others.
    endPiece();
    for (const { state } of rollout.steps) moments.absorb(state as tf.Tensor2D);
    endPiece();
  };
  const decide = (state: tf.Tensor2D, noise?: Record<string, tf.Tensor>): Decision => {
    const shown = method.actsOnPlainStates ? state : see(state);
    const { memory: after, ...decision } = method.act(shown, noise, memory?.next(state.shape[0]));
    if (after) memory?.advance(after);
    return decision;
  };
  return {
    variables,
    ...(method.collects && { collects: method.collects }),
    noise: (batchSize) => method.noise(batchSize),
    act: (state, noise) => tf.tidy(() => decide(state, noise) as Required<Decision>),
    observe: (experience) => {
      const remembered = memory?.record(experience) ?? {};
      rollout.add({ ...method.record(experience), ...remembered });
      tf.dispose(remembered);
    },
    update: (progress = 0) => {
      if (rollout.rows === 0) return {};
      const isFirst = updates++ === 0;
      if (isFirst) absorb();
      const report = tf.tidy(() => method.learn(rollout, see, progress));
      if (!isFirst) absorb();
      rollout.clear();
      return report;
    },
    get memoryTensors() {
      return rollout.tensors + (memory?.tensors ?? 0);
    },
    save: async (): Promise<StateTree> => ({
      variables: await saveVariables(variables),
      rollout: await rollout.save(),
      updates,
      ...(memory && { memory: await memory.save() }),
    }),
    load: (state) => {
      const saved = state as { variables: StateTree; rollout: StateTree; updates: number; memory?: StateTree };
      loadVariables(variables, saved.variables, 'agent');
      rollout.load(saved.rollout);
      memory?.load(saved.memory!);
      updates = saved.updates;
    },
    dispose: () => {
      rollout.clear();
      memory?.clear();
      const borrowed = new Set(method.borrowed);
      tf.dispose(Object.values(variables).filter((variable) => !borrowed.has(variable)));
    },
  };
}
