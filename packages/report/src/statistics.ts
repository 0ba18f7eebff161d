// @ts-expect-error It brings no types.
import untyped from 'jstat';

/** What is used of jstat. */
const jstat = untyped as {
  studentt: {
    /** The quantile of Student's t at probability `p`. */
    inv(p: number, degreesOfFreedom: number): number;
  };
  /** The regularized incomplete beta function I_x(a, b). */
  ibeta(x: number, a: number, b: number): number;
};

/** What a sample says of the mean it was drawn around. Of one value there is a mean and nothing else. */
export interface Sample {
  n: number;
  mean: number;
  /** Standard deviation, divided by n − 1. */
  deviation?: number;
  /** Ends of the two-sided 95 % interval of the mean, by Student's t. */
  interval?: [number, number];
}

/** A sample of differences between paired values. */
export interface PairedDifference extends Sample {
  /**
   * One-sided 95 % bounds of the mean difference: with 95 % confidence it is at least the first; and, taken alone, at most the
   * second. Non-inferiority is judged by one of them.
   */
  bounds?: [number, number];
  /** Two-sided, of a mean difference of zero. */
  p?: number;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Of a sample: divided by n − 1. NaN for fewer than two values. */
export function standardDeviation(values: readonly number[]): number {
  const center = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - center) ** 2, 0) / (values.length - 1));
}

/**
 * The interval of a mean by Student's t.
 *
 * @param values at least two
 * @param level between the two ends: 0.95; 0.9 gives one-sided 95 % bounds
 */
export function meanInterval(values: readonly number[], level = 0.95): [number, number] {
  const half =
    (jstat.studentt.inv((1 + level) / 2, values.length - 1) * standardDeviation(values)) / Math.sqrt(values.length);
  const center = mean(values);
  return [center - half, center + half];
}

/** @returns undefined for no values */
export function describeSample(values: readonly number[]): Sample | undefined {
  if (values.length === 0) return undefined;
  const sample = { n: values.length, mean: mean(values) };
  if (values.length === 1) return sample;
  return { ...sample, deviation: standardDeviation(values), interval: meanInterval(values) };
}

/**
 * The paired t-test (Student 1908): differences of values that belong together, such as two arms' results with one seed.
 *
 * @returns undefined for no pairs
 */
export function describeDifferences(differences: readonly number[]): PairedDifference | undefined {
  const sample = describeSample(differences);
  if (!sample?.interval) return sample;
  return { ...sample, bounds: meanInterval(differences, 0.9), p: twoSidedP(differences) };
}

/** I_{ν/(ν+t²)}(ν/2, 1/2) with ν = n − 1: the chance of a mean at least so far from zero if it were zero. */
function twoSidedP(differences: readonly number[]): number {
  const center = mean(differences);
  const deviation = standardDeviation(differences);
  // Identical pairs differ by nothing, and pairs that all differ by the same leave no doubt.
  if (deviation === 0) return center === 0 ? 1 : 0;
  const t = (center * Math.sqrt(differences.length)) / deviation;
  const freedom = differences.length - 1;
  return jstat.ibeta(freedom / (freedom + t * t), freedom / 2, 0.5);
}

/**
 * Adjusts p-values of several comparisons so that the chance of even one false finding among them stays below the level (Holm
 * 1979): the smallest is multiplied by m, the next by m − 1, …, none less than the one before and none above 1.
 *
 * @returns in the order given
 */
export function holm(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[a] - values[b]);
  const adjusted = new Array<number>(values.length);
  let least = 0;
  order.forEach((index, rank) => {
    least = Math.max(least, Math.min(1, (values.length - rank) * values[index]));
    adjusted[index] = least;
  });
  return adjusted;
}
