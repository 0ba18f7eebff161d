import { type Environment, RunError, type Split, type StateTree, type TrainerContext } from '@retort/core';
import { createActingEnvironment } from './compose-acting.js';
import type { Player } from './policy-player.js';
import { stepEnvironment } from './step-environment.js';

/** One episode, played to its end. */
export interface Episode {
  /** Sum of rewards, not discounted. */
  return: number;
  /** Steps. */
  length: number;
  /** Whether it ended by the environment's own rules, and not by its time limit. */
  terminated: boolean;
}

/**
 * Plays the first episode of every copy to its end: short episodes count no more often than long ones.
 *
 * @throws RunError for an episode that goes on past its time limit, see {@link stepEnvironment} for others
 */
export async function playEpisodes(
  environment: Environment,
  player: Pick<Player, 'act' | 'forget'>,
): Promise<Episode[]> {
  const { count, identity, timeLimit } = environment;
  const episodes = Array.from({ length: count }, (): Episode => ({ return: 0, length: 0, terminated: false }));
  const over = new Uint8Array(count);
  const ended = new Uint8Array(count);
  environment.reset();
  player.forget();
  for (let step = 0; over.includes(0); step++) {
    if (step >= timeLimit) {
      throw new RunError(
        `environment ${identity}: copy ${over.indexOf(0)} goes on after ${step} steps, past its time limit`,
      );
    }
    const { rewards, terminated, truncated } = stepEnvironment(
      environment,
      await player.act(environment.observations),
      step,
    );
    for (let copy = 0; copy < count; copy++) {
      ended[copy] = terminated[copy] | truncated[copy];
      if (over[copy]) continue;
      episodes[copy].return += rewards[copy];
      episodes[copy].length++;
      episodes[copy].terminated = terminated[copy] === 1;
      over[copy] = ended[copy];
    }
    player.forget(ended);
  }
  return episodes;
}

/**
 * Whether success can be told from returns: some are positive and some are not. Success is an episode that terminated with a
 * positive return, such as one that ends at a goal.
 */
export function tellsSuccess({ rewardRange: { low, high } }: Pick<Environment, 'rewardRange'>): boolean {
  return low <= 0 && high > 0;
}

export function isSuccess(episode: Episode): boolean {
  return episode.terminated && episode.return > 0;
}

/**
 * `return` and `episode-length`, means over episodes; `return-deviation`, the sample standard deviation (0 of one episode);
 * `success`, the share of {@link isSuccess} where the environment tells it.
 */
export function episodeMetrics(
  episodes: readonly Episode[],
  environment: Pick<Environment, 'rewardRange'>,
): Record<string, number> {
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const returns = episodes.map((episode) => episode.return);
  const average = mean(returns);
  const squares = returns.reduce((sum, value) => sum + (value - average) ** 2, 0);
  return {
    return: average,
    'return-deviation': Math.sqrt(squares / Math.max(1, returns.length - 1)),
    'episode-length': mean(episodes.map(({ length }) => length)),
    ...(tellsSuccess(environment) && { success: mean(episodes.map((episode) => (isSuccess(episode) ? 1 : 0))) }),
  };
}

/** Plays the same episodes every time it is asked. */
export interface PolicyEvaluation {
  /** Copies of the environment, one episode each. */
  readonly environment: Environment;
  /** @throws RunError when an episode does not end */
  play(player: Pick<Player, 'act' | 'forget'>): Promise<Episode[]>;
}

/**
 * Episodes of a manifest's environment for a split: those of validation and test differ, and neither is trained on. Streams:
 * `environment/evaluation/SPLIT`.
 */
export async function createPolicyEvaluation(
  context: TrainerContext,
  split: Split,
  episodes: number,
  reference = context.manifest.environment!,
): Promise<PolicyEvaluation> {
  const seeds = context.seeds.within(`environment/evaluation/${split}`);
  const environment = await createActingEnvironment(context, reference, { count: episodes, seeds });
  const start: StateTree = await environment.save();
  return {
    environment,
    async play(player) {
      await environment.load(start);
      return playEpisodes(environment, player);
    },
  };
}
