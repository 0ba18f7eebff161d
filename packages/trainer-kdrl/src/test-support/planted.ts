import { Random } from '@retort/core';

/** Embeddings [N, D] around K random directions, of lengths that differ, in an order without pattern. */
export function plantedClusters({
  clusters,
  perCluster,
  size,
  spread,
  seed = 3,
}: {
  clusters: number;
  perCluster: number;
  size: number;
  /** Standard deviation of a coordinate, times √D. */
  spread: number;
  seed?: number;
}): { values: Float32Array; cluster: Int32Array } {
  const random = new Random([seed, 0]);
  const centers = Array.from({ length: clusters }, () => unit(normals(size, random)));
  const cluster = random.shuffle(Int32Array.from({ length: clusters * perCluster }, (_, i) => i % clusters));
  const values = new Float32Array(cluster.length * size);
  cluster.forEach((k, i) => {
    const length = 0.1 + 10 * random.uniform();
    const noise = normals(size, random);
    centers[k].forEach((value, d) => {
      values[i * size + d] = length * (value + (spread / Math.sqrt(size)) * noise[d]);
    });
  });
  return { values, cluster };
}

export function normals(count: number, random: Random): number[] {
  return Array.from({ length: count }, () => random.normal());
}

export function unit(x: ArrayLike<number>): number[] {
  const length = Math.hypot(...Array.from(x));
  return Array.from(x, (value) => value / length);
}

export function rowsOf(values: ArrayLike<number>, size: number): number[][] {
  return Array.from({ length: values.length / size }, (_, i) =>
    Array.from({ length: size }, (_, d) => values[i * size + d]),
  );
}

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
