import type { HostTensor, StateTree } from '@retort/core';

/** Mean and variance per element of all observations so far, in float64 on the host. */
export interface ObservationMoments {
  /** Rows so far. */
  readonly count: number;
  readonly mean: Float64Array;
  /** Mean square distance from the mean; 1 up to the first row, whose own would be none. */
  variance(): Float64Array;
  /** @param rows [N · S]; those whose entry of `mask` is 0 are left out */
  absorb(rows: ArrayLike<number>, mask?: ArrayLike<number>): void;
  /** As a network's `normalize` layer holds them: float32, arrays of their own. */
  rounded(): { mean: Float32Array; variance: Float32Array };
  /** Starts from moments of earlier observations. */
  restart(count: number, mean: ArrayLike<number>, variance: ArrayLike<number>): void;
  save(): StateTree;
  load(state: StateTree): void;
}

/**
 * Moments merged batch by batch (Chan, Golub & LeVeque 1983): with δ = mean' − mean of n' new rows,
 * mean ← mean + δ n' / (n + n'), Σ² ← Σ² + Σ²' + δ² n n' / (n + n').
 */
export function createObservationMoments(size: number): ObservationMoments {
  let count = 0;
  const mean = new Float64Array(size);
  const squares = new Float64Array(size);
  const variance = () => squares.map((sum) => (count > 1 ? sum / count : 1));
  return {
    get count() {
      return count;
    },
    mean,
    variance,
    absorb(rows, mask) {
      const chosen = Array.from({ length: rows.length / size }, (_, row) => row).filter((row) => !mask || mask[row]);
      const added = chosen.length;
      if (added === 0) return;
      const total = count + added;
      for (let i = 0; i < size; i++) {
        let sum = 0;
        for (const row of chosen) sum += rows[row * size + i];
        const center = sum / added;
        let spread = 0;
        for (const row of chosen) spread += (rows[row * size + i] - center) ** 2;
        const delta = center - mean[i];
        mean[i] += (delta * added) / total;
        squares[i] += spread + (delta * delta * count * added) / total;
      }
      count = total;
    },
    rounded: () => ({ mean: Float32Array.from(mean), variance: Float32Array.from(variance()) }),
    restart(rows, from, spread) {
      count = rows;
      mean.set(from);
      squares.set(Array.from(spread, (value) => value * rows));
    },
    save: () => ({ count, mean: packFloat64(mean), squares: packFloat64(squares) }),
    load(state) {
      const saved = state as { count: number; mean: HostTensor; squares: HostTensor };
      count = saved.count;
      mean.set(unpackFloat64(saved.mean));
      squares.set(unpackFloat64(saved.squares));
    },
  };
}

/** float64 numbers for a checkpoint, as bytes: host tensors hold none. */
export function packFloat64(values: Float64Array): HostTensor {
  return { data: new Uint8Array(values.slice().buffer), shape: [values.length * 8] };
}

export function unpackFloat64({ data }: HostTensor): Float64Array {
  return new Float64Array(Uint8Array.from(data).buffer);
}
