import type { Agent, Decision, Experience, HostTensor, StateTree, UpdateReport } from '@retort/core';
import { endPiece, loadVariables, saveVariables } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { prefixed, type Variables } from './network.js';
import { createRollout, type Rollout, type Transitions } from './rollout.js';
import { createRunningMoments } from './running-moments.js';

/** What sets one on-policy agent apart from another. */
export interface OnPolicyMethod {
  readonly variables: Variables;
  noise(batchSize: number): Record<string, HostTensor>;
  /** @param state [B, S], normalized */
  act(state: tf.Tensor2D, noise?: Record<string, tf.Tensor>): Decision;
  /** What to remember of an experience. */
  record(experience: Experience): Transitions;
  /** @param see normalizes states of the rollout */
  learn(rollout: Rollout, see: (state: tf.Tensor2D) => tf.Tensor2D): UpdateReport;
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
  return {
    variables,
    noise: (batchSize) => method.noise(batchSize),
    act: (state, noise) => tf.tidy(() => method.act(see(state), noise) as Required<Decision>),
    observe: (experience) => rollout.add(method.record(experience)),
    update: () => {
      if (rollout.rows === 0) return {};
      const isFirst = updates++ === 0;
      if (isFirst) absorb();
      const report = tf.tidy(() => method.learn(rollout, see));
      if (!isFirst) absorb();
      rollout.clear();
      return report;
    },
    get memoryTensors() {
      return rollout.tensors;
    },
    save: async (): Promise<StateTree> => ({
      variables: await saveVariables(variables),
      rollout: await rollout.save(),
      updates,
    }),
    load: (state) => {
      const saved = state as { variables: StateTree; rollout: StateTree; updates: number };
      loadVariables(variables, saved.variables, 'agent');
      rollout.load(saved.rollout);
      updates = saved.updates;
    },
    dispose: () => {
      rollout.clear();
      tf.dispose(variables);
    },
  };
}
