import { InputError } from './errors.js';
import type { ActionSpace } from './agent.js';
import type { Stateful } from './host-tensor.js';
import type { RunScope } from './registry.js';
import type { Seeds } from './seeds.js';

/** What one copy of an environment shows. */
export interface ObservationSpace {
  /** `[4]` of a vector, `[10, 10, 7]` of a grid with seven channels. */
  shape: number[];
  /** A bound per element, row by row; ±∞ where there is none. */
  low: Float32Array;
  high: Float32Array;
  /** What stands along the last axis: `['position', 'velocity']`. */
  names?: string[];
}

/** An observation space. @param low a bound for all elements, or one each; rounded to float32 as observations are */
export function observationSpace(
  shape: number[],
  low: number | readonly number[],
  high: number | readonly number[],
  names?: string[],
): ObservationSpace {
  const size = shape.reduce((product, length) => product * length, 1);
  const bounds = (value: number | readonly number[]) => {
    const all = typeof value === 'number' ? new Float32Array(size).fill(value) : Float32Array.from(value);
    if (all.length !== size) throw new InputError(`${all.length} bounds for observations of shape [${shape}]`);
    return all;
  };
  const last = shape[shape.length - 1];
  if (names && names.length !== last) throw new InputError(`${names.length} names for a last axis of length ${last}`);
  return { shape, low: bounds(low), high: bounds(high), names };
}

/** What somebody who acts in an environment sees and does. */
export interface EnvironmentSpaces {
  /** Which environment it is, see {@link Environment.identity}. */
  identity?: string;
  observationSpace: ObservationSpace;
  actionSpace: ActionSpace;
}

/** An image: height × width × 3 bytes of red, green and blue, row by row from the top. */
export interface Picture {
  width: number;
  height: number;
  data: Uint8Array;
}

/**
 * What a step led to. All arrays belong to the environment and are written anew by its next step: whoever keeps them copies
 * them.
 */
export interface EnvironmentStep {
  /** [N, …shape] what to act on next: the first observation of a new episode where one ended. */
  observations: Float32Array;
  /** [N, …shape] what the actions led to: the last observation of the old episode where one ended, else as `observations`. */
  nextObservations: Float32Array;
  /** [N]. */
  rewards: Float32Array;
  /** [N] 1 where the episode ended by the environment's own rules: nothing is to be earned afterwards. */
  terminated: Uint8Array;
  /** [N] 1 where the episode was cut off; 0 where it terminated at its last step. */
  truncated: Uint8Array;
}

/** One of the tasks that the copies of an environment play, as it is by itself. */
export interface EnvironmentTask extends EnvironmentSpaces {
  /** Short, for logs; no other task has it: `cart-pole`. */
  readonly name: string;
  readonly identity: string;
  readonly rewardRange: { low: number; high: number };
  readonly timeLimit: number;
  /** What the task itself shows. @param observations [B, …shape] as the environment shows them @returns [B, …own shape], a new array */
  own(observations: Float32Array): Float32Array;
}

/**
 * N copies of an environment, stepped together; the meaning of a step, of its ends and of spaces is Gymnasium's. A copy whose
 * episode ends starts the next one within the same step (Gymnasium's `AutoresetMode.SAME_STEP`). Copy i is a function of the
 * context's seeds, of i and of its own actions: N and the other copies do not matter. State, places in the random streams and
 * observations of all copies are saved, and loaded bit for bit into an environment made with the same seeds.
 *
 * A plain object whose functions do not need `this`: wrappers spread it.
 */
export interface Environment extends Stateful, EnvironmentSpaces {
  /** Name and rules in words: `cart-pole {"timeLimit":500}`. What is recorded in one environment is refused in another. */
  readonly identity: string;
  /** N. */
  readonly count: number;
  /** Of one copy. */
  readonly observationSpace: ObservationSpace;
  /** Of one copy: discrete or box. */
  readonly actionSpace: ActionSpace;
  /** Between which the reward of a step lies. */
  readonly rewardRange: { low: number; high: number };
  /** Steps after which an episode is truncated; ∞ of an environment that has no limit, which trainers refuse. */
  readonly timeLimit: number;
  /**
   * Of an environment whose copies play different tasks: copy i plays task i mod K. A task's discrete actions are the first ones of
   * the environment's.
   */
  readonly tasks?: readonly EnvironmentTask[];
  /** [N, …shape] what the copies show now, also after `load`; the array that `reset` and `step` return. */
  readonly observations: Float32Array;
  /** Starts an episode in all copies, or in those whose entry of `mask` [N] is 1. Leaves other arrays of a step alone. */
  reset(mask?: Uint8Array): Float32Array;
  /**
   * @param actions [N] numbers of discrete actions, or [N, n] of a box
   * @throws InputError naming the first copy whose action lies outside the space, or when nothing was reset before
   */
  step(actions: Int32Array | Float32Array): EnvironmentStep;
  /** Draws a copy. */
  render(copy: number): Picture;
  /** A copy for a terminal, lines of text that may have color codes. */
  text(copy: number): string;
}

export interface EnvironmentContext {
  /** N, copies to make. */
  count: number;
  seeds: Seeds;
  scope: RunScope;
  /** Where the environment stands in the manifest, for errors. */
  path: string;
}
