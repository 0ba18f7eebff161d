import type { HostTensor, StateTree } from '@retort/core';
import { createObservationMoments } from './observation-moments.js';

/** Beyond so many deviations from the mean, observations are cut off (Burda et al. 2018, §2.4). */
const limit = 5;

/** Observations as a predictor sees them, and those it has not learned from yet. */
export interface SeenObservations {
  /** Takes observations into the running moments. @returns (x − mean) / deviation within ±5, [N · S] */
  see(observations: Float32Array, mask?: Uint8Array): Float32Array;
  /** Remembers rows for learning; those whose entry of `mask` is 0 are left out. @param columns [N · w] each */
  keep(columns: Record<string, Float32Array | Int32Array>, mask?: Uint8Array): void;
  /** Hands out what was kept, in pieces of at most `batchSize` rows, and forgets it. */
  take(batchSize: number): Record<string, HostTensor>[];
  save(): StateTree;
  load(state: StateTree): void;
}

/** @param widths numbers per row of each column that is kept */
export function createSeenObservations(size: number, widths: Record<string, number>): SeenObservations {
  const moments = createObservationMoments(size);
  let rows: Record<string, number[]>[] = [];
  return {
    see(observations, mask) {
      moments.absorb(observations, mask);
      const deviation = moments.variance().map((variance) => Math.sqrt(variance + 1e-8));
      return observations.map((value, i) =>
        Math.min(limit, Math.max(-limit, (value - moments.mean[i % size]) / deviation[i % size])),
      );
    },
    keep(columns, mask) {
      const names = Object.keys(widths);
      const count = columns[names[0]].length / widths[names[0]];
      for (let row = 0; row < count; row++) {
        if (mask && !mask[row]) continue;
        rows.push(
          Object.fromEntries(
            names.map((name) => {
              const width = widths[name];
              return [name, Array.from(columns[name].subarray(row * width, (row + 1) * width))];
            }),
          ),
        );
      }
    },
    take(batchSize) {
      const batches: Record<string, HostTensor>[] = [];
      for (let start = 0; start < rows.length; start += batchSize)
        batches.push(pack(rows.slice(start, start + batchSize), widths));
      rows = [];
      return batches;
    },
    save: () => ({ moments: moments.save(), rows: rows.length, ...pack(rows, widths) }),
    load(state) {
      const saved = state as Record<string, StateTree>;
      moments.load(saved.moments);
      rows = Array.from({ length: saved.rows as number }, (_, row) =>
        Object.fromEntries(
          Object.entries(widths).map(([name, width]) => {
            const { data } = saved[name] as HostTensor;
            return [name, Array.from(data.subarray(row * width, (row + 1) * width))];
          }),
        ),
      );
    },
  };
}

function pack(rows: Record<string, number[]>[], widths: Record<string, number>): Record<string, HostTensor> {
  return Object.fromEntries(
    Object.entries(widths).map(([name, width]) => [
      name,
      { data: Float32Array.from(rows.flatMap((row) => row[name])), shape: [rows.length, width] },
    ]),
  );
}
