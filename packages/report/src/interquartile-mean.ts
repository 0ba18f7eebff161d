import { Random } from '@retort/core';

/** The middle of a sample of scores, and how sure it is. */
export interface RobustMean {
  n: number;
  /** Interquartile mean. */
  value: number;
  /** Ends of the 95 % interval by percentile bootstrap; absent of one score. */
  interval?: [number, number];
}

/** Bootstrap samples of an interval: its ends are then good to a hundredth of the interval or so. */
const standardResamples = 5000;

/**
 * The mean of what is left when the lowest and the highest ⌊n / 4⌋ scores are taken away (Agarwal et al. 2021, arXiv 2108.13264, §4.3).
 * Whole scores are taken away, as scipy's `trim_mean(scores, 0.25)` and rliable have it: of fewer than four it is the mean. The
 * variant that counts the scores at the quartiles in part gives other numbers where n is no multiple of four.
 *
 * @param scores at least one, of all tasks together
 */
export function interquartileMean(scores: ArrayLike<number>): number {
  const sorted = Float64Array.from(scores).sort();
  const cut = Math.floor(sorted.length / 4);
  let sum = 0;
  for (let i = cut; i < sorted.length - cut; i++) sum += sorted[i];
  return sum / (sorted.length - 2 * cut);
}

/**
 * Interquartile mean with its stratified bootstrap interval (Agarwal et al. 2021, §4.1): runs are drawn again with replacement within
 * every task, the tasks stay as they are. The same scores always give the same interval.
 *
 * @param tasks scores of the runs of each task; for one task a single list
 * @returns undefined where there is no score
 */
export function describeScores(
  tasks: readonly (readonly number[])[],
  { level = 0.95, resamples = standardResamples }: { level?: number; resamples?: number } = {},
): RobustMean | undefined {
  const scores = tasks.flat();
  if (scores.length === 0) return undefined;
  const described = { n: scores.length, value: interquartileMean(scores) };
  if (scores.length === 1) return described;
  const random = new Random([0x52e7, 0x0147]);
  const drawn = new Float64Array(scores.length);
  const values = Float64Array.from({ length: resamples }, () => {
    let at = 0;
    for (const task of tasks) for (let i = 0; i < task.length; i++) drawn[at++] = task[random.integer(task.length)];
    return interquartileMean(drawn);
  }).sort();
  return { ...described, interval: [quantile(values, (1 - level) / 2), quantile(values, (1 + level) / 2)] };
}

/** Linear between neighbors (Hyndman & Fan's type 7, as numpy's percentile). @param sorted rising, not empty */
export function quantile(sorted: ArrayLike<number>, probability: number): number {
  const place = probability * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}
