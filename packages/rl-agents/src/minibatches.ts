import type { Random, UpdateReport } from '@retort/core';
import { endPiece } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';

/**
 * Goes through rows in random order, in batches of one size: what is left over at the end is skipped, and its rows are others
 * each time. Fewer rows than one batch are a batch.
 *
 * @param step gets row numbers [batchSize] int32; what it makes is disposed but for its report
 * @returns mean of the reports
 */
export function eachMinibatch(
  rows: number,
  { batchSize, epochs }: { batchSize: number; epochs: number },
  random: Random,
  step: (indices: tf.Tensor1D) => UpdateReport,
): UpdateReport {
  // What minibatches share, such as advantages, is computed once and fed to all.
  endPiece();
  return tf.tidy(() => {
    const size = Math.min(batchSize, rows);
    const reports: UpdateReport[] = [];
    for (let epoch = 0; epoch < epochs; epoch++) {
      const order = random.shuffle(Int32Array.from({ length: rows }, (_, i) => i));
      for (let start = 0; start + size <= rows; start += size) {
        reports.push(tf.tidy(() => step(tf.tensor1d(order.slice(start, start + size), 'int32'))));
        endPiece();
      }
    }
    return meanReport(reports);
  });
}

/** Mean of each scalar over reports of one form. */
export function meanReport(reports: UpdateReport[]): UpdateReport {
  return Object.fromEntries(
    Object.keys(reports[0] ?? {}).map((name) => [name, tf.stack(reports.map((report) => report[name])).mean()]),
  ) as UpdateReport;
}
