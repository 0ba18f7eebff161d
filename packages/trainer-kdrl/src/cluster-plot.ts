import type { HostTensor } from '@retort/core';

/** What a picture of clusters is drawn from. */
export interface ClusterPlot {
  /** Per embedding, its place in the plane. */
  points: [number, number][];
  /** Per embedding. */
  cluster: number[];
  label?: number[];
  centers: [number, number][];
  classes?: readonly string[];
}

/**
 * Embeddings and centers in the plane in which the centers differ most: their two principal axes, by power iteration in float64.
 *
 * @param centers [K, D]
 * @param embeddings [P, D] in row order
 */
export function plotClusters(
  centers: HostTensor,
  embeddings: Float32Array,
  about: Pick<ClusterPlot, 'cluster' | 'label' | 'classes'>,
): ClusterPlot {
  const [count, size] = centers.shape;
  const rows = Array.from({ length: count }, (_, k) => Array.from(centers.data.subarray(k * size, (k + 1) * size)));
  const mean = rows[0].map((_, d) => rows.reduce((sum, row) => sum + row[d], 0) / count);
  const first = principalAxis(rows, mean, []);
  const axes = [first, principalAxis(rows, mean, [first])];
  const place = (row: ArrayLike<number>): [number, number] => {
    const at = axes.map((axis) => axis.reduce((sum, value, d) => sum + value * (row[d] - mean[d]), 0));
    return [rounded(at[0]), rounded(at[1])];
  };
  return {
    points: Array.from({ length: embeddings.length / size }, (_, i) => {
      const row = embeddings.subarray(i * size, (i + 1) * size);
      const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0)) || 1;
      return place(row.map((value) => value / length));
    }),
    ...about,
    centers: rows.map(place),
  };
}

/** The unit direction of greatest variance that is orthogonal to `others`; any such one where nothing varies, zero where there is none. */
function principalAxis(rows: number[][], mean: number[], others: number[][]): number[] {
  const orthogonal = (vector: number[]) => {
    for (const other of others) {
      const along = dot(vector, other);
      vector = vector.map((value, d) => value - along * other[d]);
    }
    return vector;
  };
  const start = orthogonal(mean.map((_, d) => Math.cos(d + others.length)));
  const length = Math.sqrt(dot(start, start));
  if (length < 1e-9) return mean.map(() => 0);
  let axis = start.map((value) => value / length);
  for (let iteration = 0; iteration < 100; iteration++) {
    const product = mean.map(() => 0);
    for (const row of rows) {
      const along = row.reduce((sum, value, d) => sum + (value - mean[d]) * axis[d], 0);
      row.forEach((value, d) => (product[d] += along * (value - mean[d])));
    }
    const next = orthogonal(product);
    const length = Math.sqrt(dot(next, next));
    // Rounding errors have a direction too.
    if (length < 1e-12) break;
    axis = next.map((value) => value / length);
  }
  return axis;
}

function dot(a: number[], b: number[]): number {
  return a.reduce((sum, value, d) => sum + value * b[d], 0);
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
