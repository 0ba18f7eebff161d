import { type HostTensor, RunError, type StateTree } from '@retort/core';

/** What one step of one copy was. */
export interface Step {
  state: Float32Array;
  action: ArrayLike<number>;
  reward: number;
  nextState: Float32Array;
  terminated: boolean;
  truncated: boolean;
}

/** Up to n steps of one copy as one: Q(state, action) is `reward` + `bootstrap` · the value of `nextState`. */
export interface NStepTransition {
  state: Float32Array;
  action: ArrayLike<number>;
  /** r_t + γ r_{t+1} + … */
  reward: number;
  /** What the last of the steps led to. */
  nextState: Float32Array;
  /** γ to the number of steps; 0 where the episode ended by its own rules. */
  bootstrap: number;
}

/** Joins steps; each copy's are apart from the others'. */
export interface NStepJoiner {
  /** One step of every copy. @param steps absent of copies that are to be left out */
  add(steps: readonly (Step | undefined)[]): void;
  save(): StateTree;
  load(state: StateTree): void;
}

/**
 * n-step returns (Sutton & Barto 2018, §7.1). A transition begins at every step; those that an episode's end leaves with fewer than
 * n steps are as long as they are. After a truncation they go on with the value of what it cut off.
 *
 * @param emit gets the transitions, those of a copy in order
 */
export function createNStepJoiner(
  { nStep, discount }: { nStep: number; discount: number },
  emit: (transition: NStepTransition) => void,
): NStepJoiner {
  type Begun = Pick<Step, 'state' | 'action' | 'reward'>;
  let begun: Begun[][] = [];
  return {
    add: (steps) => {
      if (nStep > 1 && begun.length > 0 && begun.length !== steps.length) {
        throw new RunError(
          `steps of ${steps.length} copies after those of ${begun.length}: returns of ${nStep} steps need the same`,
        );
      }
      steps.forEach((step, copy) => {
        const queue = (begun[copy] ??= []);
        if (!step) return;
        const { state, action, reward, nextState, terminated, truncated } = step;
        queue.push({ state, action, reward });
        const isOver = terminated || truncated;
        while (queue.length === nStep || (isOver && queue.length > 0)) {
          const sum = queue.reduceRight((later, each) => each.reward + discount * later, 0);
          emit({ ...queue[0], reward: sum, nextState, bootstrap: terminated ? 0 : discount ** queue.length });
          queue.shift();
        }
      });
    },
    save: () =>
      begun.map((queue) =>
        queue.map(({ state, action, reward }) => ({
          state: { data: state.slice(), shape: [state.length] },
          action: { data: Float32Array.from(action), shape: [action.length] },
          reward,
        })),
      ),
    load: (state) => {
      const saved = state as { state: HostTensor; action: HostTensor; reward: number }[][];
      begun = saved.map((queue) =>
        queue.map(({ state, action, reward }) => ({ state: state.data as Float32Array, action: action.data, reward })),
      );
    },
  };
}
