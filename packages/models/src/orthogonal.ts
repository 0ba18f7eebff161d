import type { Random } from '@retort/core';

/**
 * A random orthogonal matrix times `gain` (Saxe, McClelland & Ganguli 2014, §2): the shorter side's vectors are orthogonal and of
 * length `gain`, every direction equally likely. Kernels of convolutions are [h · w · channels, filters], as in PyTorch.
 *
 * @returns [rows, columns], row by row
 */
export function orthogonalValues(random: Random, rows: number, columns: number, gain: number): Float32Array {
  const [length, count] = [Math.max(rows, columns), Math.min(rows, columns)];
  const vectors: Float64Array[] = [];
  for (let v = 0; v < count; v++) {
    const vector = Float64Array.from({ length }, () => random.normal());
    // Gram and Schmidt, twice: once leaves what rounding adds when the vectors nearly fill the space.
    for (let pass = 0; pass < 2; pass++) {
      for (const other of vectors) {
        const overlap = dot(vector, other);
        for (let i = 0; i < length; i++) vector[i] -= overlap * other[i];
      }
    }
    const norm = Math.sqrt(dot(vector, vector));
    vectors.push(vector.map((value) => value / norm));
  }
  const values = new Float32Array(rows * columns);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      values[r * columns + c] = gain * (rows >= columns ? vectors[c][r] : vectors[r][c]);
    }
  }
  return values;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
