/**
 * Bicubic interpolation of a grid of vectors, as DeiT's code does it for positions (PyTorch's `bicubic`, align_corners false, no
 * antialiasing): Keys 1981 with a = −0.75, half-pixel centers, clamped at the edges.
 *
 * @param values [rows · columns · channels], channels last
 * @returns [toRows · toColumns · channels]
 */
export function resizeGrid(
  values: Float32Array,
  [rows, columns]: readonly [number, number],
  [toRows, toColumns]: readonly [number, number],
): Float32Array {
  const channels = values.length / (rows * columns);
  const [down, across] = [cubicTaps(rows, toRows), cubicTaps(columns, toColumns)];
  const result = new Float32Array(toRows * toColumns * channels);
  for (const [y, rowTaps] of down.entries()) {
    for (const [x, columnTaps] of across.entries()) {
      for (let k = 0; k < channels; k++) {
        let sum = 0;
        for (const [row, rowWeight] of rowTaps) {
          for (const [column, weight] of columnTaps) {
            sum += rowWeight * weight * values[(row * columns + column) * channels + k];
          }
        }
        result[(y * toColumns + x) * channels + k] = sum;
      }
    }
  }
  return result;
}

/** By cell of the result, the four cells it is made of with their weights, which sum to one. */
function cubicTaps(from: number, to: number): [cell: number, weight: number][][] {
  const a = -0.75;
  const near = (t: number) => ((a + 2) * t - (a + 3)) * t * t + 1;
  const far = (t: number) => ((a * t - 5 * a) * t + 8 * a) * t - 4 * a;
  return Array.from({ length: to }, (_, i) => {
    const center = ((i + 0.5) * from) / to - 0.5;
    const first = Math.floor(center);
    const t = center - first;
    const clamped = (cell: number) => Math.min(Math.max(cell, 0), from - 1);
    return [far(t + 1), near(t), near(1 - t), far(2 - t)].map((weight, j) => [clamped(first - 1 + j), weight]);
  });
}
