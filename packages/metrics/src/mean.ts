import { RunError } from '@retort/core';

/**
 * @param what is counted, for the error
 * @throws RunError when nothing was counted
 */
export function mean(sum: number, count: number, metric: string, what = 'sample'): number {
  if (count === 0) throw new RunError(`metric "${metric}" has seen no ${what}: the evaluated split has none`);
  return sum / count;
}
