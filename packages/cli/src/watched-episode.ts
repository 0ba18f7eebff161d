import { type Environment, type PartReference, RunError, type RunScope, type Seeds } from '@retort/core';
import { createActingEnvironment, type Episode, type Player, stepEnvironment } from '@retort/trainer-policy';

/** More tasks than any environment joins; each wants a copy of its own. */
const mostTasks = 64;

/** An environment to be watched, made anew for each episode. */
export interface Stage {
  /** Copies that {@link make} makes: one of each task. */
  copies: number;
  /** Names of the tasks, of an environment that joins several. */
  tasks?: readonly string[];
  make(seeds: Seeds): Promise<Environment>;
}

/** @param scope of the registry that the reference is from */
export async function createStage(
  scope: RunScope,
  reference: PartReference<'environment'>,
  seeds: Seeds,
): Promise<Stage> {
  const make = (count: number, of: Seeds) => createActingEnvironment({ scope }, reference, { count, seeds: of });
  const { tasks } = await make(mostTasks, seeds);
  const copies = tasks?.length ?? 1;
  return { copies, tasks: tasks?.map(({ name }) => name), make: (of) => make(copies, of) };
}

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
  /** Which copy; the first if not given. */
  copy?: number;
  /** The environment shows what is about to be acted on. */
  look?(environment: Environment, step: number): void | Promise<void>;
  /** What came of it. */
  tell?(step: WatchedStep): void;
}

/**
 * One episode of one copy of an environment, from its start.
 *
 * @throws RunError when it goes on past its time limit
 */
export async function watchEpisode(environment: Environment, player: Player, watcher: Watcher): Promise<Episode> {
  const { copy = 0 } = watcher;
  const part = <T extends Float32Array | Int32Array>(all: T) =>
    all.slice((copy * all.length) / environment.count, ((copy + 1) * all.length) / environment.count) as T;
  const episode: Episode = { return: 0, length: 0, terminated: false };
  environment.reset();
  player.forget();
  for (let step = 0; ; step++) {
    if (step >= environment.timeLimit) {
      throw new RunError(`environment ${environment.identity}: it goes on after ${step} steps, past its time limit`);
    }
    await watcher.look?.(environment, step);
    const observations = environment.observations.slice();
    const actions = await player.act(observations);
    const { rewards, terminated, truncated } = stepEnvironment(environment, actions, step);
    const isOver = { terminated: terminated[copy] === 1, truncated: truncated[copy] === 1 };
    watcher.tell?.({
      ...{ step, observation: part(observations), action: [...part(actions)], reward: rewards[copy], ...isOver },
    });
    player.forget(terminated.map((end, other) => end | truncated[other]));
    episode.return += rewards[copy];
    episode.length++;
    if (!isOver.terminated && !isOver.truncated) continue;
    return { ...episode, terminated: isOver.terminated };
  }
}
