import { type Environment, RunError } from '@retort/core';
import { type Episode, type Player, stepEnvironment } from '@retort/trainer-policy';

/** What is seen of a step, before the environment goes on. */
export interface WatchedStep {
  /** 0-based. */
  step: number;
  observation: Float32Array;
  /** A number, or those of a box. */
  action: number[];
  reward: number;
  terminated: boolean;
  truncated: boolean;
}

export interface Watcher {
  /** The environment shows what is about to be acted on. */
  look?(environment: Environment, step: number): void | Promise<void>;
  /** What came of it. */
  tell?(step: WatchedStep): void;
}

/**
 * One episode of an environment of one copy, from its start.
 *
 * @throws RunError when it goes on past its time limit
 */
export async function watchEpisode(environment: Environment, player: Player, watcher: Watcher = {}): Promise<Episode> {
  const episode: Episode = { return: 0, length: 0, terminated: false };
  environment.reset();
  player.forget();
  for (let step = 0; ; step++) {
    if (step >= environment.timeLimit) {
      throw new RunError(`environment ${environment.identity}: it goes on after ${step} steps, past its time limit`);
    }
    await watcher.look?.(environment, step);
    const observation = environment.observations.slice();
    const actions = await player.act(observation);
    const { rewards, terminated, truncated } = stepEnvironment(environment, actions, step);
    const isOver = { terminated: terminated[0] === 1, truncated: truncated[0] === 1 };
    watcher.tell?.({ step, observation, action: [...actions], reward: rewards[0], ...isOver });
    episode.return += rewards[0];
    episode.length++;
    if (!isOver.terminated && !isOver.truncated) continue;
    return { ...episode, terminated: isOver.terminated };
  }
}
