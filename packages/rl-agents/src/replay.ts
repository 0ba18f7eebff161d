import type { Random } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import type { Variables } from './network.js';

/** The last `capacity` transitions, oldest first, in variables of fixed shape; empty places are at the start. */
export interface Replay {
  /** [capacity, width] each. */
  readonly variables: Variables;
  /** Transitions held. Belongs in a checkpoint, beside the variables. */
  count: number;
  /** Adds rows [B, width] at the end and drops as many at the start. */
  insert(rows: Record<string, tf.Tensor2D>): void;
  /** Draws with replacement, every transition held being as likely. */
  sample(size: number, random: Random): Record<string, tf.Tensor2D>;
}

/** @param widths numbers per transition of each name */
export function createReplay(capacity: number, widths: Record<string, number>): Replay {
  const names = Object.keys(widths);
  const variables: Variables = tf.tidy(() =>
    Object.fromEntries(names.map((name) => [name, tf.variable(tf.zeros([capacity, widths[name]]), false)])),
  );
  const replay: Replay = {
    variables,
    count: 0,
    insert: (rows) =>
      tf.tidy(() => {
        const added = Math.min(capacity, rows[names[0]].shape[0]);
        for (const name of names) {
          const width = widths[name];
          const old = tf.slice(variables[name] as tf.Tensor as tf.Tensor2D, [added, 0], [capacity - added, width]);
          const fresh = tf.slice(rows[name], [rows[name].shape[0] - added, 0], [added, width]);
          variables[name].assign(added === capacity ? fresh : tf.concat([old, fresh]));
        }
        replay.count = Math.min(capacity, replay.count + added);
      }),
    sample: (size, random) =>
      tf.tidy(() => {
        const places = Int32Array.from({ length: size }, () => capacity - 1 - random.integer(replay.count));
        const indices = tf.tensor1d(places, 'int32');
        return Object.fromEntries(
          names.map((name) => [name, tf.gather(variables[name] as tf.Tensor as tf.Tensor2D, indices)]),
        );
      }),
  };
  return replay;
}
