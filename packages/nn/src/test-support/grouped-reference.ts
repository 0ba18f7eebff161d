import type { GroupedConv2dOptions } from '../grouped-conv2d.js';

type Shape4D = [number, number, number, number];
type Pair = [number, number];

export interface GroupedCase extends GroupedConv2dOptions {
  x: Shape4D;
  filter: Shape4D;
}

/** Groups, strides, dilations, paddings and odd sizes. */
export const groupedCases: GroupedCase[] = [
  { x: [2, 5, 6, 4], filter: [3, 3, 2, 6], groups: 2 },
  { x: [2, 5, 6, 4], filter: [3, 3, 2, 6], groups: 2, pad: 'valid' },
  { x: [1, 7, 5, 6], filter: [3, 2, 2, 3], groups: 3, strides: 2, pad: 'same' },
  { x: [2, 6, 7, 6], filter: [2, 3, 3, 4], groups: 2, strides: [2, 1], pad: 'valid' },
  { x: [1, 8, 7, 4], filter: [3, 3, 2, 4], groups: 2, strides: 3, pad: 1 },
  { x: [2, 9, 8, 4], filter: [3, 3, 2, 2], groups: 2, dilations: 2 },
  { x: [1, 9, 8, 4], filter: [2, 3, 2, 2], groups: 2, dilations: [3, 2], pad: 'valid' },
  { x: [2, 6, 5, 8], filter: [3, 3, 2, 8], groups: 4, pad: [[0, 0], [1, 2], [0, 3], [0, 0]] }, // prettier-ignore
  { x: [2, 6, 5, 4], filter: [3, 3, 2, 2], groups: 2, strides: 2, pad: [[0, 0], [0, 1], [2, 0], [0, 0]] }, // prettier-ignore
  { x: [2, 5, 6, 6], filter: [1, 1, 3, 4], groups: 2 },
  { x: [2, 5, 7, 6], filter: [1, 1, 3, 4], groups: 2, strides: 2 },
  { x: [2, 5, 6, 3], filter: [3, 3, 3, 4], groups: 1, strides: [1, 2] },
  { x: [2, 7, 6, 3], filter: [3, 3, 1, 3], groups: 3 },
  { x: [2, 7, 6, 3], filter: [3, 3, 1, 6], groups: 3, strides: 2 },
  { x: [2, 7, 8, 3], filter: [3, 3, 1, 6], groups: 3, dilations: 2 },
  // Channels that fill vector registers take other paths on some backends.
  { x: [1, 6, 5, 32], filter: [3, 3, 16, 32], groups: 2 },
  { x: [1, 6, 5, 16], filter: [3, 3, 1, 16], groups: 16, strides: 2 },
];

const pair = (value: number | Pair): Pair => (typeof value === 'number' ? [value, value] : value);

/** Pads in front and output size of one axis, from TensorFlow's definitions. */
function axis(size: number, taps: number, stride: number, dilation: number, pad: string | Pair): Pair {
  const reach = (taps - 1) * dilation + 1;
  if (pad === 'same') {
    const out = Math.ceil(size / stride);
    return [Math.floor(Math.max((out - 1) * stride + reach - size, 0) / 2), out];
  }
  const [before, after] = pad === 'valid' ? [0, 0] : (pad as Pair);
  return [before, Math.floor((size + before + after - reach) / stride) + 1];
}

/**
 * y[b, p, q, o] = Σ_ijc x[b, p·s + i·d − before, q·s + j·d − before, g·C/G + c] · filter[i, j, c, o], g = ⌊o / (O/G)⌋, and the
 * gradients of Σ dy · y, in float64.
 */
export function groupedReference(
  { x: xShape, filter: filterShape, groups, strides = 1, dilations = 1, pad = 'same' }: GroupedCase,
  x: number[],
  filter: number[],
  dy: number[] = [],
): { y: number[]; shape: Shape4D; dx: number[]; dFilter: number[] } {
  const [batch, height, width, channels] = xShape;
  const [rows, columns, depth, filters] = filterShape;
  const [[sy, sx], [dilationY, dilationX]] = [pair(strides), pair(dilations)];
  const padOf = (i: 1 | 2) => (typeof pad === 'number' ? ([pad, pad] as Pair) : Array.isArray(pad) ? pad[i] : pad);
  const [top, outHeight] = axis(height, rows, sy, dilationY, padOf(1) as Pair);
  const [left, outWidth] = axis(width, columns, sx, dilationX, padOf(2) as Pair);
  const shape: Shape4D = [batch, outHeight, outWidth, filters];
  const y = new Array<number>(batch * outHeight * outWidth * filters).fill(0);
  const dx = new Array<number>(x.length).fill(0);
  const dFilter = new Array<number>(filter.length).fill(0);
  for (let b = 0; b < batch; b++)
    for (let p = 0; p < outHeight; p++)
      for (let q = 0; q < outWidth; q++)
        for (let o = 0; o < filters; o++) {
          const to = ((b * outHeight + p) * outWidth + q) * filters + o;
          const first = Math.floor(o / (filters / groups)) * depth;
          for (let i = 0; i < rows; i++)
            for (let j = 0; j < columns; j++)
              for (let c = 0; c < depth; c++) {
                const [row, column] = [p * sy + i * dilationY - top, q * sx + j * dilationX - left];
                if (row < 0 || row >= height || column < 0 || column >= width) continue;
                const from = ((b * height + row) * width + column) * channels + first + c;
                const tap = ((i * columns + j) * depth + c) * filters + o;
                y[to] += x[from] * filter[tap];
                dx[from] += (dy[to] ?? 0) * filter[tap];
                dFilter[tap] += (dy[to] ?? 0) * x[from];
              }
        }
  return { y, shape, dx, dFilter };
}
