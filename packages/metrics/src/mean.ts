import { RunError } from '@retort/core';

/** @throws RunError when nothing was counted */
export function mean(sum: number, count: number, metric: string): number {
  if (count === 0) throw new RunError(`metric "${metric}" has seen no sample: the evaluated split is empty`);
  return sum / count;
}
