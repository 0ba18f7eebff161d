/** An epoch as the log has it. */
interface LoggedEpoch {
  epoch: number;
  seconds: number | null;
  imagesPerSecond: number | null;
}

/**
 * What had been seen by the end of each epoch since the run began: images, or what the run's `unit` says.
 *
 * @returns by epoch counted from 0; an epoch that the log lacks is taken to be like the one before it
 */
export function seenByEpoch(epochs: readonly LoggedEpoch[]): number[] {
  const seen: number[] = [];
  let [total, last] = [0, 0];
  for (const { epoch, seconds, imagesPerSecond } of epochs) {
    last = Math.round((seconds ?? 0) * (imagesPerSecond ?? 0)) || last;
    while (seen.length <= epoch) seen.push((total += last));
  }
  return seen;
}
