import { describeScores } from './interquartile-mean.js';
import type { Point } from './line-chart.js';
import { finite } from './numbers.js';

/** What a run's student scored, over what it had seen. */
export interface ScoreRun {
  /** Rising. */
  x: readonly (number | null)[];
  y: readonly (number | null | undefined)[];
}

/** Of one point of a curve; its band is drawn, not read. */
const resamples = 1000;

/**
 * Interquartile mean over runs, its 95 % bootstrap interval as band, wherever one of them was measured. Between its measurements a run
 * is taken to go straight; the curve is as long as the runs are all there.
 */
export function scoreCurve(runs: readonly ScoreRun[]): Point[] {
  const known = runs
    .map(({ x, y }) =>
      x.flatMap((at, i) => {
        const value = finite(y[i]);
        return at !== null && value !== undefined ? [{ at, value }] : [];
      }),
    )
    .filter((points) => points.length > 0);
  if (known.length === 0) return [];
  const first = Math.max(...known.map((points) => points[0].at));
  const last = Math.min(...known.map((points) => points[points.length - 1].at));
  const places = [...new Set(known.flatMap((points) => points.map(({ at }) => at)))]
    .filter((at) => at >= first && at <= last)
    .sort((a, b) => a - b);
  return places.map((x) => {
    const { value, interval } = describeScores([known.map((points) => valueAt(points, x))], { resamples })!;
    return { x, y: value, ...(interval && { band: interval }) };
  });
}

/** @param x between the first and the last point */
function valueAt(points: readonly { at: number; value: number }[], x: number): number {
  const after = points.findIndex(({ at }) => at >= x);
  const [from, to] = [points[Math.max(0, after - 1)], points[after]];
  return to.at === x ? to.value : from.value + ((x - from.at) / (to.at - from.at)) * (to.value - from.value);
}
