import { describeScores, type RobustMean } from './interquartile-mean.js';
import { finite, isScore } from './numbers.js';
import type { GridResult } from './grid-result.js';
import { describeDifferences, describeSample, holm, type PairedDifference, type Sample } from './statistics.js';

/** A student of a run: after the last epoch, or of the best validation. */
export type StudentKind = 'last' | 'best';

/** What is compared, and how far it has come. */
export interface Grid {
  name: string;
  /** `top-1` of the test split, or `validation/nll` with its split. */
  metric: string;
  /** The arm that the others are compared with. */
  baseline: string;
  arms: GridArm[];
  /** Of finished runs, in any order. */
  results: GridResult[];
  failures: { arm: string; seed: number; error: string }[];
}

export interface GridArm {
  name: string;
  /** What makes it differ, for people. */
  about: string;
  seeds: number[];
}

export interface ArmSummary extends GridArm {
  /** Finished runs, by seed. */
  runs: GridResult[];
  /** Seeds without a result, those that failed among them. */
  missing: number[];
  failed: number[];
  values: Record<StudentKind, Sample | undefined>;
  /** The same by interquartile means, of metrics that are scores of somebody who acts. */
  scores?: Record<StudentKind, RobustMean | undefined>;
  seconds?: Sample;
  memoryBytes?: Sample;
}

/** An arm minus the baseline, over the seeds that both have. */
export interface ArmDifference {
  arm: string;
  /** Seeds that one of the two has been given and that lack a result in one of the two. */
  missing: number[];
  values: Record<StudentKind, (PairedDifference & { adjustedP?: number }) | undefined>;
}

export interface GridSummary {
  grid: Grid;
  /** Split and metric as in results: `test/top-1`. */
  metric: string;
  arms: ArmSummary[];
  /** Empty where there is one arm only. */
  differences: ArmDifference[];
  /** What a reader must know before believing the numbers. */
  remarks: string[];
}

const students: readonly StudentKind[] = ['last', 'best'];

/**
 * Means over seeds, and every arm minus the baseline pair by pair. p-values are adjusted by Holm over the comparisons, for the
 * last and the best student apart. Pure.
 */
export function summarizeGrid(grid: Grid): GridSummary {
  const metric = fullMetric(grid.metric);
  const arms = grid.arms.map((arm) => summarizeArm(arm, grid, metric));
  const baseline = arms.find(({ name }) => name === grid.baseline);
  const differences = baseline
    ? arms.filter((arm) => arm !== baseline).map((arm) => differenceOf(arm, baseline, metric))
    : [];
  for (const student of students) adjust(differences.flatMap(({ values }) => values[student] ?? []));
  return { grid, metric, arms, differences, remarks: remarksOn(grid, arms, differences, metric) };
}

/** `top-1` is that of the test split. */
export function fullMetric(metric: string): string {
  return /^(train|validation|test)\//.test(metric) ? metric : `test/${metric}`;
}

/** A result's value of the metric, where it is there and finite. */
export function valueOf(run: GridResult, student: StudentKind, metric: string): number | undefined {
  return finite(run[student]?.[metric]);
}

function summarizeArm(arm: GridArm, { results, failures }: Grid, metric: string): ArmSummary {
  const runs = arm.seeds.flatMap((seed) => results.find((one) => one.arm === arm.name && one.seed === seed) ?? []);
  const listOf = (value: (run: GridResult) => number | undefined) => runs.map(value).filter((one) => one !== undefined);
  const sample = (value: (run: GridResult) => number | undefined) => describeSample(listOf(value));
  const score = (student: StudentKind) => describeScores([listOf((run) => valueOf(run, student, metric))]);
  return {
    ...arm,
    runs,
    missing: arm.seeds.filter((seed) => !runs.some((run) => run.seed === seed)),
    failed: failures.filter((failure) => failure.arm === arm.name).map(({ seed }) => seed),
    values: {
      last: sample((run) => valueOf(run, 'last', metric)),
      best: sample((run) => valueOf(run, 'best', metric)),
    },
    ...(isScore(metric) && { scores: { last: score('last'), best: score('best') } }),
    seconds: sample(({ seconds }) => seconds),
    memoryBytes: sample(({ memoryBytes }) => memoryBytes),
  };
}

function differenceOf(arm: ArmSummary, baseline: ArmSummary, metric: string): ArmDifference {
  const of = (student: StudentKind) =>
    describeDifferences(
      arm.runs.flatMap((run) => {
        const other = baseline.runs.find(({ seed }) => seed === run.seed);
        const [mine, its] = [run, other].map((one) => one && valueOf(one, student, metric));
        return mine === undefined || its === undefined ? [] : [mine - its];
      }),
    );
  const given = arm.seeds.filter((seed) => baseline.seeds.includes(seed));
  return {
    arm: arm.name,
    missing: given.filter((seed) => arm.missing.includes(seed) || baseline.missing.includes(seed)),
    values: { last: of('last'), best: of('best') },
  };
}

function adjust(comparisons: (PairedDifference & { adjustedP?: number })[]): void {
  const tested = comparisons.filter(({ p }) => p !== undefined);
  const adjusted = holm(tested.map(({ p }) => p!));
  tested.forEach((comparison, i) => (comparison.adjustedP = adjusted[i]));
}

function remarksOn(grid: Grid, arms: ArmSummary[], differences: ArmDifference[], metric: string): string[] {
  const remarks: string[] = [];
  for (const { name, runs, seeds, missing, failed, values } of arms) {
    const waiting = missing.filter((seed) => !failed.includes(seed));
    const notFinite = runs.filter((run) => run.last[metric] === null).map(({ seed }) => seed);
    const backends = [...new Set(runs.map(backendText))];
    if (failed.length > 0) remarks.push(`${name}: ${seedsText(failed)} failed.`);
    if (waiting.length > 0)
      remarks.push(`${name}: ${waiting.length} of ${seeds.length} runs are still to be made (${seedsText(waiting)}).`);
    if (runs.length === 1) remarks.push(`${name}: one run, so no deviation and no interval.`);
    if (notFinite.length > 0)
      remarks.push(`${name}: ${metric} was not finite with ${seedsText(notFinite)}, which is left out.`);
    else if (runs.length > 0 && !values.last) remarks.push(`${name}: no run has measured ${metric}.`);
    if (backends.length > 1) remarks.push(`${name}: runs were made on different backends: ${backends.join('; ')}.`);
  }
  for (const { arm, missing, values } of differences) {
    const pair = `${arm} − ${grid.baseline}`;
    const n = values.last?.n ?? 0;
    if (missing.length > 0)
      remarks.push(`${pair}: ${n} of ${n + missing.length} pairs; ${seedsText(missing)} missing.`);
    else if (n === 0) remarks.push(`${pair}: no pair of values, so no difference.`);
    if (n === 1) remarks.push(`${pair}: one pair, so no interval and no p-value.`);
  }
  const runs = arms.flatMap((arm) => arm.runs);
  const machines = [...new Set(runs.map(({ machine }) => machine))];
  const versions = [...new Set(runs.map(versionText))];
  if (machines.length > 1) remarks.push(`Times do not compare: runs were made on ${machines.join('; ')}.`);
  if (versions.length > 1) remarks.push(`Runs were made by different versions: ${versions.join('; ')}.`);
  return remarks;
}

/** `onnxruntime on 2 threads` */
export function backendText({ backend, threads }: GridResult): string {
  return threads === undefined ? backend : `${backend} on ${threads} ${threads === 1 ? 'thread' : 'threads'}`;
}

/** `0.3.0 at 5f5b9ce50` */
export function versionText({ version, commit }: GridResult): string {
  const at = commit?.replace(/[0-9a-f]{40}/g, (whole) => whole.slice(0, 9)).replaceAll('+', ' with changes');
  return [version, at].filter(Boolean).join(' at ') || 'unknown';
}

/** `seeds 1, 2 and 5` */
function seedsText(seeds: readonly number[]): string {
  if (seeds.length === 1) return `seed ${seeds[0]}`;
  return `seeds ${seeds.slice(0, -1).join(', ')} and ${seeds[seeds.length - 1]}`;
}
