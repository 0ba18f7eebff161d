import { type Experience, type HostTensor, RunError, type StateTree } from '@retort/core';
import { toHost, toTensor } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';

/** The tensors of B transitions by name: `state`, `reward`, `action/HEAD`, `componentReward/HEAD` … */
export type Transitions = Record<string, tf.Tensor>;

/** An experience under flat names. Nothing is cloned. */
export function transitionsOf(experience: Experience): Transitions {
  const { action, componentReward = {}, prior = {}, reference = {}, ...tensors } = experience;
  const transitions: Transitions = {};
  for (const [name, tensor] of Object.entries(tensors)) if (tensor) transitions[name] = tensor;
  for (const [head, tensor] of Object.entries(action)) transitions[`action/${head}`] = tensor;
  for (const [head, tensor] of Object.entries(componentReward)) transitions[`componentReward/${head}`] = tensor;
  for (const [head, tensor] of Object.entries(prior)) transitions[`prior/${head}`] = tensor;
  for (const [name, tensor] of Object.entries(reference)) transitions[`reference/${name}`] = tensor;
  return transitions;
}

/** What an on-policy agent observed since its last update, one entry per `observe`. */
export interface Rollout {
  readonly steps: readonly Transitions[];
  /** Transitions in all. */
  readonly rows: number;
  /** Tensors held. */
  readonly tensors: number;
  /** Keeps clones. @throws RunError when names differ from those of earlier entries */
  add(transitions: Transitions): void;
  has(name: string): boolean;
  /** All rows of one name, in order of observation; with a length zeros after the last observation, up to so many of them. */
  column<T extends tf.Tensor>(name: string, length?: number): T;
  clear(): void;
  save(): Promise<StateTree>;
  load(state: StateTree): void;
}

export function createRollout(): Rollout {
  let steps: Transitions[] = [];
  const names = (transitions: Transitions) => Object.keys(transitions).sort().join(', ');
  const rollout: Rollout = {
    get steps() {
      return steps;
    },
    get rows() {
      return steps.reduce((sum, { state }) => sum + state.shape[0]!, 0);
    },
    get tensors() {
      return steps.reduce((sum, step) => sum + Object.keys(step).length, 0);
    },
    add: (transitions) => {
      if (steps.length > 0 && names(steps[0]) !== names(transitions)) {
        throw new RunError(
          `an agent was told ${names(steps[0])} before and now ${names(transitions)}: experience between two updates must be of one form`,
        );
      }
      steps.push(Object.fromEntries(Object.entries(transitions).map(([name, x]) => [name, tf.keep(x.clone())])));
    },
    has: (name) => steps.length > 0 && name in steps[0],
    column: <T extends tf.Tensor>(name: string, length = steps.length) => {
      const parts = steps.map((step) => step[name] as T);
      if (length === parts.length) return tf.concat(parts);
      // As many parts whatever was observed: backends that record know the piece of work again.
      const zeros = tf.zerosLike(parts[0]);
      return tf.concat([...parts, ...new Array<T>(length - parts.length).fill(zeros)]);
    },
    clear: () => {
      tf.dispose(steps);
      steps = [];
    },
    save: () =>
      Promise.all(
        steps.map(async (step) => {
          const entries = await Promise.all(Object.entries(step).map(async ([name, x]) => [name, await toHost(x)]));
          return Object.fromEntries(entries) as Record<string, HostTensor>;
        }),
      ),
    load: (state) => {
      rollout.clear();
      for (const step of state as Record<string, HostTensor>[]) {
        steps.push(Object.fromEntries(Object.entries(step).map(([name, x]) => [name, tf.keep(toTensor(x))])));
      }
    },
  };
  return rollout;
}
