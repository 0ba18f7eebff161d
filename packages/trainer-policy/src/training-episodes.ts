import type { Environment, HostTensor, StateTree } from '@retort/core';
import { type Episode, episodeMetrics, isSuccess, tellsSuccess } from './evaluate-policy.js';
import { packFloat64, unpackFloat64 } from './observation-moments.js';

/** Keeps account of the episodes that training plays, by the environment's own rewards. */
export interface TrainingEpisodes {
  /** Episodes that ended so far. */
  readonly finished: number;
  /** One step of all copies. @param mask [N] 0 of copies that do not count */
  add(step: { rewards: Float32Array; terminated: Uint8Array; truncated: Uint8Array; mask?: Uint8Array }): void;
  /** Every copy starts a new episode. */
  restart(): void;
  /** Steps of the longest episode under way. */
  longest(): number;
  /**
   * Means over the episodes that ended since the last call, if any did (see {@link episodeMetrics}), `episodes`: how many have ended
   * over the run, and `successes`: how many of these were successes, where the environment tells.
   */
  read(): Record<string, number>;
  /**
   * `first-success` and `hundredth-success`: environment steps, over all copies, after which so many episodes had been successes; absent
   * of a number that was not reached, and where the environment tells no success.
   */
  milestones(): Record<string, number>;
  save(): StateTree;
  load(state: StateTree): void;
}

const milestoneNames = { 'first-success': 1, 'hundredth-success': 100 };

export function createTrainingEpisodes(environment: Pick<Environment, 'count' | 'rewardRange'>): TrainingEpisodes {
  const returns = new Float64Array(environment.count);
  const lengths = new Int32Array(environment.count);
  let finished = 0;
  let successes = 0;
  let steps = 0;
  let milestones: Record<string, number> = {};
  const tells = tellsSuccess(environment);
  let since: Episode[] = [];
  return {
    get finished() {
      return finished;
    },
    add({ rewards, terminated, truncated, mask }) {
      const before = successes;
      for (let copy = 0; copy < returns.length; copy++) {
        if (mask && !mask[copy]) continue;
        steps++;
        returns[copy] += rewards[copy];
        lengths[copy]++;
        if (!(terminated[copy] | truncated[copy])) continue;
        const episode = { return: returns[copy], length: lengths[copy], terminated: terminated[copy] === 1 };
        since.push(episode);
        finished++;
        if (isSuccess(episode)) successes++;
        returns[copy] = 0;
        lengths[copy] = 0;
      }
      if (!tells || successes === before) return;
      for (const [name, number] of Object.entries(milestoneNames)) {
        if (before < number && successes >= number) milestones[name] = steps;
      }
    },
    restart() {
      returns.fill(0);
      lengths.fill(0);
    },
    longest: () => lengths.reduce((most, length) => Math.max(most, length), 0),
    read() {
      const values = {
        ...(since.length > 0 && episodeMetrics(since, environment)),
        episodes: finished,
        ...(tells && { successes }),
      };
      since = [];
      return values;
    },
    milestones: () => milestones,
    save: () => ({
      returns: packFloat64(returns),
      lengths: { data: lengths.slice(), shape: [lengths.length] },
      finished,
      successes,
      steps,
      milestones: { ...milestones },
      since: since.map((episode) => ({ ...episode })),
    }),
    load(state) {
      const saved = state as Record<string, StateTree>;
      returns.set(unpackFloat64(saved.returns as HostTensor));
      lengths.set((saved.lengths as HostTensor).data);
      finished = saved.finished as number;
      successes = saved.successes as number;
      steps = saved.steps as number;
      milestones = { ...(saved.milestones as Record<string, number>) };
      since = (saved.since as unknown as Episode[]).map((episode) => ({ ...episode }));
    },
  };
}
