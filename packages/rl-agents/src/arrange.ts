import type { ActionTensors } from '@retort/core';
import type { TensorMap } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import type { ActorCritic } from './actor-critic.js';
import { maskOf } from './advantage.js';
import { type Sequences, singleRows } from './minibatches.js';
import { prefixed } from './network.js';
import type { Rollout } from './rollout.js';
import { actionsOf } from './sampled-actions.js';

/** A rollout as an actor-critic learns from it. */
export interface Arranged {
  /** What `ActorCritic.evaluate` and losses read, [N, …] each. */
  columns: TensorMap;
  /** What is drawn into minibatches. */
  sequences: Sequences;
  /** Observations that the columns hold, zeros after the last one included. */
  length: number;
  /** [N] where there are rows that do not count. */
  mask?: tf.Tensor1D;
}

/**
 * Columns of a rollout. Whole episodes are of any length: their columns are filled up to the next power of two, so that compiled
 * steps meet few shapes. Of a policy that remembers, sequences of `unroll` steps stay together and begin with the memory that the
 * policy had while acting.
 *
 * @param see normalizes states for networks of the agent's own
 */
export function arrange(
  rollout: Rollout,
  actorCritic: ActorCritic,
  see: (state: tf.Tensor2D) => tf.Tensor2D,
  { heads, unroll }: { heads: readonly string[]; unroll: number },
): Arranged {
  const { steps } = rollout;
  const remembers = actorCritic.memorySize > 0;
  const filled = rollout.has('mask') ? 2 ** Math.ceil(Math.log2(steps.length)) : steps.length;
  const reach = remembers ? Math.min(unroll, filled) : 1;
  const length = Math.ceil(filled / reach) * reach;
  const column = <T extends tf.Tensor>(name: string) => rollout.column<T>(name, length);

  const plain = column<tf.Tensor2D>('state');
  const state = actorCritic.isGiven ? plain : see(plain);
  const actions: ActionTensors = actionsOf(rollout, heads, length);
  const mask = maskOf(rollout, length);
  const references = Object.keys(steps[0]).filter((name) => name.startsWith('reference/'));
  const columns: TensorMap = {
    state,
    ...prefixed('action', actions),
    ...Object.fromEntries(references.map((name) => [name, column(name)])),
    ...(mask && { mask }),
    ...(actorCritic.ownValue && { valueState: actorCritic.isGiven ? see(plain) : state }),
    ...(remembers && { memory: column('memory'), ended: endedOf(rollout, length) }),
  };
  const copies = state.shape[0] / length;
  return {
    columns,
    sequences: remembers
      ? { count: Math.ceil(steps.length / reach) * copies, copies, length: reach }
      : singleRows(rollout.rows),
    length,
    mask,
  };
}

/** [N] 1 where an episode ended, by its rules or cut off. */
function endedOf(rollout: Rollout, length: number): tf.Tensor1D {
  const flags = ['terminated', 'truncated'].filter((name) => rollout.has(name));
  const reward = rollout.column<tf.Tensor1D>('reward', length);
  if (!rollout.has('nextState')) return tf.onesLike(reward);
  return flags.reduce<tf.Tensor1D>(
    (ended, name) => ended.maximum(rollout.column(name, length).cast('float32')),
    tf.zerosLike(reward),
  );
}

/** Log-density of what was done under the policy that did it, [N]. */
export function oldLogProbabilityOf(
  rollout: Rollout,
  actorCritic: ActorCritic,
  { columns, length }: Arranged,
): tf.Tensor1D {
  return rollout.has('logProbability')
    ? rollout.column<tf.Tensor1D>('logProbability', length)
    : tf.tidy(() => actorCritic.evaluate(columns).logProbability);
}
