import { type Experience, type HostTensor, RunError, type StateTree } from '@retort/core';
import { toHost, toTensor } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import type { Transitions } from './rollout.js';

/** What a recurrent policy remembers of the copies it acts in. */
export interface Memory {
  /** Tensors held. */
  readonly tensors: number;
  /** [B, M] that goes into the next step; zeros at first. @throws RunError when it is of another number of copies */
  next(copies: number): tf.Tensor2D;
  /** Keeps what came out of a step. */
  advance(after: tf.Tensor2D): void;
  /**
   * `memory` that went into the step and `nextMemory` that came out of it, before copies whose episode ended forget. Those that
   * wait for others to end, too, start anew.
   */
  record(experience: Experience): Transitions;
  clear(): void;
  save(): Promise<StateTree>;
  load(state: StateTree): void;
}

/** @param size M */
export function createMemory(size: number): Memory {
  /** What went into the last step, and what goes into the next one. */
  let [before, after]: (tf.Tensor2D | undefined)[] = [];
  const replace = (nextBefore: tf.Tensor2D | undefined, nextAfter: tf.Tensor2D | undefined) => {
    const old = [before, after].filter((x) => x !== nextBefore && x !== nextAfter);
    [before, after] = [nextBefore, nextAfter];
    for (const tensor of old) tensor?.dispose();
  };
  const memory: Memory = {
    get tensors() {
      return Number(before !== undefined) + Number(after !== undefined);
    },
    next: (copies) => {
      if (!after) replace(undefined, tf.keep(tf.zeros<tf.Rank.R2>([copies, size])));
      if (after!.shape[0] !== copies) {
        throw new RunError(`a policy that remembers acts in ${after!.shape[0]} copies, not in ${copies} the next time`);
      }
      return after!;
    },
    advance: (next) => replace(after, tf.keep(next.clone())),
    record: ({ reward, terminated, truncated, mask }) => {
      if (!before) throw new RunError('a policy that remembers was told of a step it did not take');
      const recorded = { memory: before, nextMemory: after! };
      const goesOn = tf.tidy(() => {
        let factor: tf.Tensor = mask ?? tf.onesLike(reward);
        for (const flag of [terminated, truncated]) if (flag) factor = factor.mul(tf.sub(1, flag));
        return tf.keep(after!.mul<tf.Tensor2D>(factor.cast('float32').expandDims(1)));
      });
      [before, after] = [undefined, goesOn];
      return recorded;
    },
    clear: () => replace(undefined, undefined),
    save: async () => {
      const host = async (x: tf.Tensor | undefined) => (x ? await toHost(x) : null);
      return { before: await host(before), after: await host(after) };
    },
    load: (state) => {
      const saved = state as { before: HostTensor | null; after: HostTensor | null };
      const tensor = (x: HostTensor | null) => (x ? tf.keep(toTensor<tf.Tensor2D>(x)) : undefined);
      replace(tensor(saved.before), tensor(saved.after));
    },
  };
  return memory;
}
