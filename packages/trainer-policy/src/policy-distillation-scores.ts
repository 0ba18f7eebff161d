import type { Environment, MetricValue, Split, TrainerContext } from '@retort/core';
import { createPolicyEvaluation, type Episode, episodeMetrics, type PolicyEvaluation } from './evaluate-policy.js';
import type { Player } from './policy-player.js';

/** What a return is told relative to: the lowest one there can be, or 0 where nothing is lost. */
const worst = ({ rewardRange, timeLimit }: Pick<Environment, 'rewardRange' | 'timeLimit'>) =>
  Math.min(0, rewardRange.low) * timeLimit;

/**
 * (student − worst) / (teacher − worst) of mean returns, worst = min(0, lowest reward) · time limit: 1 for a student as good as its
 * teacher. Undefined for a teacher that earns no more than the worst.
 */
export function scoreOf(
  student: readonly Episode[],
  teacher: readonly Episode[],
  environment: Pick<Environment, 'rewardRange' | 'timeLimit'>,
): number | undefined {
  const mean = (episodes: readonly Episode[]) =>
    episodes.reduce((sum, episode) => sum + episode.return, 0) / episodes.length;
  const lowest = worst(environment);
  const best = mean(teacher) - lowest;
  return best > 0 ? (mean(student) - lowest) / best : undefined;
}

/** Of networks on one task or several: what a student earns, and what of its teachers' earnings that is. */
export interface PolicyScores {
  /**
   * Of one task: {@link episodeMetrics}, and `score` where teachers can act. Of several: `return` over all copies and `return/TASK`,
   * `score/TASK`, and `score`, their mean.
   */
  play(split: Split): Promise<Record<string, MetricValue>>;
}

/**
 * @param count episodes of an evaluation, of several tasks together
 * @param players the student, and the teachers where they can act
 */
export function createPolicyScores(
  context: TrainerContext,
  count: number,
  { student, teachers }: { student: Player; teachers?: Pick<Player, 'act' | 'forget'> },
): PolicyScores {
  const evaluations = new Map<Split, PolicyEvaluation>();
  const taught = new Map<Split, Episode[]>();
  return {
    async play(split) {
      const evaluation = evaluations.get(split) ?? (await createPolicyEvaluation(context, split, count));
      evaluations.set(split, evaluation);
      const { environment } = evaluation;
      const episodes = await evaluation.play(student);
      if (teachers && !taught.has(split)) taught.set(split, await evaluation.play(teachers));
      const theirs = taught.get(split);
      const { tasks } = environment;
      if (!tasks) {
        const score = theirs && scoreOf(episodes, theirs, environment);
        return { ...episodeMetrics(episodes, environment), ...(score !== undefined && { score }) };
      }
      const ofTask = (all: readonly Episode[], k: number) => all.filter((_, copy) => copy % tasks.length === k);
      const values: Record<string, number> = { ...episodeMetrics(episodes, environment) };
      const scores: number[] = [];
      for (const [k, task] of tasks.entries()) {
        values[`return/${task.name}`] = episodeMetrics(ofTask(episodes, k), task).return;
        const score = theirs && scoreOf(ofTask(episodes, k), ofTask(theirs, k), task);
        if (score === undefined) continue;
        values[`score/${task.name}`] = score;
        scores.push(score);
      }
      if (scores.length > 0) values.score = scores.reduce((sum, score) => sum + score, 0) / scores.length;
      return values;
    },
  };
}
