import type { Random, UpdateReport } from '@retort/core';
import { endPiece, type TensorMap } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';

/**
 * Goes through rows in random order, in batches of one size: what is left over at the end is skipped, and its rows are others
 * each time. Fewer rows than one batch are a batch.
 *
 * @param columns tensors of the same number of rows
 * @param step a compiled step; gets the columns whole and `rows`, the row numbers of a minibatch, [batchSize] int32
 * @returns mean of the reports
 */
export function eachMinibatch(
  columns: TensorMap,
  { batchSize, epochs }: { batchSize: number; epochs: number },
  random: Random,
  step: (inputs: TensorMap) => UpdateReport,
): UpdateReport {
  // What minibatches share, such as advantages, is computed once and fed to all.
  endPiece();
  return tf.tidy(() => {
    const [{ shape }] = Object.values(columns);
    const count = shape[0]!;
    const size = Math.min(batchSize, count);
    const reports: UpdateReport[] = [];
    for (let epoch = 0; epoch < epochs; epoch++) {
      const order = random.shuffle(Int32Array.from({ length: count }, (_, i) => i));
      for (let start = 0; start + size <= count; start += size) {
        const rows = tf.tensor1d(order.slice(start, start + size), 'int32');
        reports.push(step({ ...columns, rows }));
        endPiece();
      }
    }
    return meanReport(reports);
  });
}

/** The rows of a minibatch, of every column. */
export function minibatch({ rows, ...columns }: TensorMap): TensorMap {
  return Object.fromEntries(Object.entries(columns).map(([name, x]) => [name, tf.gather(x, rows)]));
}

/** Mean of each scalar over reports of one form. */
export function meanReport(reports: UpdateReport[]): UpdateReport {
  return Object.fromEntries(
    Object.keys(reports[0] ?? {}).map((name) => [name, tf.stack(reports.map((report) => report[name])).mean()]),
  ) as UpdateReport;
}
