import type { Random, UpdateReport } from '@retort/core';
import { endPiece, type TensorMap } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';

/** What is drawn into minibatches: sequences of several rows each, or single rows. */
export interface Sequences {
  /** Sequences in all. Those of one time lie side by side: row `copy` of step t is t · copies + copy. */
  count: number;
  copies: number;
  /** Rows of each: of successive steps. */
  length: number;
}

/** Each row by itself. */
export const singleRows = (count: number): Sequences => ({ count, copies: count, length: 1 });

/**
 * Goes through rows in random order, in batches of one size: what is left over at the end is skipped, and its rows are others
 * each time. Fewer rows than one batch are a batch.
 *
 * @param columns tensors of the same number of rows; scalars belong to all of them
 * @param step a compiled step; gets the columns whole and what {@link minibatch} reads
 * @param sequences what stays together; a batch is of as many as have batchSize rows, one at least
 * @returns mean of the reports
 */
export function eachMinibatch(
  columns: TensorMap,
  { batchSize, epochs }: { batchSize: number; epochs: number },
  random: Random,
  step: (inputs: TensorMap) => UpdateReport,
  sequences: Sequences = singleRows(Object.values(columns)[0].shape[0]!),
): UpdateReport {
  // What minibatches share, such as advantages, is computed once and fed to all.
  endPiece();
  return tf.tidy(() => {
    const { count, length } = sequences;
    const size = Math.min(Math.max(1, Math.floor(batchSize / length)), count);
    const reports: UpdateReport[] = [];
    for (let epoch = 0; epoch < epochs; epoch++) {
      const order = random.shuffle(Int32Array.from({ length: count }, (_, i) => i));
      for (let start = 0; start + size <= count; start += size) {
        reports.push(step({ ...columns, ...rowsOf(order.slice(start, start + size), sequences) }));
        endPiece();
      }
    }
    return meanReport(reports);
  });
}

/**
 * Row numbers of some sequences: `rows` [length · S], step by step, and, of what is longer than a row, `starts` [S], the first of
 * each.
 */
export function rowsOf(chosen: Int32Array, { copies, length }: Sequences): TensorMap {
  if (length === 1) return { rows: tf.tensor1d(chosen, 'int32') };
  const starts = chosen.map((i) => Math.floor(i / copies) * length * copies + (i % copies));
  const rows = new Int32Array(length * starts.length);
  for (let t = 0; t < length; t++)
    rows.set(
      starts.map((start) => start + t * copies),
      t * starts.length,
    );
  return { rows: tf.tensor1d(rows, 'int32'), starts: tf.tensor1d(starts, 'int32') };
}

/** {@link rowsOf} all sequences, with `starts` whatever their length. */
export function everySequence(sequences: Sequences): TensorMap {
  const { rows, starts = rows } = rowsOf(
    Int32Array.from({ length: sequences.count }, (_, i) => i),
    sequences,
  );
  return { rows, starts };
}

/** The rows of a minibatch, of every column; of `memory` where sequences start. */
export function minibatch({ rows, starts = rows, ...columns }: TensorMap): TensorMap {
  const pick = (name: string, x: tf.Tensor) => (x.rank === 0 ? x : tf.gather(x, name === 'memory' ? starts : rows));
  return Object.fromEntries(Object.entries(columns).map(([name, x]) => [name, pick(name, x)]));
}

/** Mean of each scalar over reports of one form. */
export function meanReport(reports: UpdateReport[]): UpdateReport {
  return Object.fromEntries(
    Object.keys(reports[0] ?? {}).map((name) => [name, tf.stack(reports.map((report) => report[name])).mean()]),
  ) as UpdateReport;
}
