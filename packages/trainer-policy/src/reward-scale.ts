import type { HostTensor, StateTree } from '@retort/core';
import { createObservationMoments, packFloat64, unpackFloat64 } from './observation-moments.js';

/** Divides rewards by the running deviation of what they add up to. */
export interface RewardScale {
  /**
   * @param rewards [N] of one step of N copies
   * @param ended [N] 1 where the episode ended with that step; without it nothing ever ends
   * @returns [N]
   */
  scale(rewards: ArrayLike<number>, ended?: ArrayLike<number>): Float64Array;
  /** What rewards are divided by now. */
  readonly deviation: number;
  save(): StateTree;
  load(state: StateTree): void;
}

/**
 * Gymnasium's NormalizeReward (Engstrom et al. 2020, §3): r / √(var(G) + 1e-8) with G ← γ G + r, per copy, from 0 at the start of
 * an episode. Like there, the moments start as if one ten-thousandth of a row with mean 0 and variance 1 had been seen.
 *
 * @param count N
 * @param discount γ
 */
export function createRewardScale(count: number, discount: number): RewardScale {
  const sums = new Float64Array(count);
  const moments = createObservationMoments(1);
  moments.restart(1e-4, [0], [1]);
  const deviation = () => Math.sqrt(moments.variance()[0] + 1e-8);
  return {
    get deviation() {
      return deviation();
    },
    scale(rewards, ended) {
      for (let copy = 0; copy < count; copy++) sums[copy] = discount * sums[copy] + rewards[copy];
      moments.absorb(sums);
      const by = deviation();
      if (ended) for (let copy = 0; copy < count; copy++) if (ended[copy]) sums[copy] = 0;
      return Float64Array.from({ length: count }, (_, copy) => rewards[copy] / by);
    },
    save: () => ({ sums: packFloat64(sums), moments: moments.save() }),
    load(state) {
      const saved = state as { sums: HostTensor; moments: StateTree };
      sums.set(unpackFloat64(saved.sums));
      moments.load(saved.moments);
    },
  };
}
