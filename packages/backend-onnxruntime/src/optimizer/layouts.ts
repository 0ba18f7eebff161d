import type { RecordedNode, Value } from '../recording.js';
import { blockedConvolution } from './blocked-convolution.js';
import { patchConvolution } from './patch-convolution.js';
import { producer, type Rewriter, sameShape, sizeOf } from './rewriter.js';
import { transposedProduct } from './transposed-products.js';

const arithmetic = new Set(['Add', 'Sub', 'Mul', 'Div']);
const elementwise = new Set(['Relu', 'Clip', 'LeakyRelu', 'Elu', 'Sigmoid']);

/** Rows of about this many numbers are what onnxruntime repeats well; for short ones it spends its time between them. */
const longRow = 512;

/** The same numbers from a layout that onnxruntime is faster on; undefined to leave a node as it is. */
export function betterLayout(
  rewriter: Rewriter,
  node: RecordedNode,
  inputs: readonly (Value | undefined)[],
  block: number,
): Value | undefined {
  if (node.op === 'Transpose') return rewriter.transpose(inputs[0]!, node.attributes.perm as readonly number[]);
  if (node.op === 'Reshape') return rewriter.reshape(inputs[0]!, node.outputs[0].shape);
  if (node.op === 'Conv') {
    const product = patchConvolution(rewriter, node, inputs);
    return product ?? (block > 0 ? blockedConvolution(rewriter, node, inputs, block) : undefined);
  }
  if (arithmetic.has(node.op)) return onLongRows(rewriter, node, inputs as readonly Value[]);
  if (node.op === 'MatMul') {
    const matrices = inputs as readonly Value[];
    return sumOfLongRows(rewriter, node, matrices) ?? transposedProduct(rewriter, node, matrices);
  }
  if (elementwise.has(node.op)) return beforeTranspose(rewriter, node, inputs as readonly Value[]);
  return undefined;
}

/** x [.., C] op row [C] as [.., r · C] op [r · C], the row repeated. */
function onLongRows(rewriter: Rewriter, { op, outputs }: RecordedNode, inputs: readonly Value[]): Value | undefined {
  const { shape } = outputs[0];
  const size = sizeOf(shape);
  const place = inputs.findIndex((input) => sameShape(input.shape, shape));
  const row = inputs[1 - place];
  if (place < 0 || row.shape.length !== 1 || row.shape[0] < 2 || row.shape[0] !== shape.at(-1)) return undefined;
  const [width] = row.shape;
  let repeats = 1;
  while (2 * repeats * width <= longRow && size % (2 * repeats * width) === 0) repeats *= 2;
  if (repeats === 1 || size < 32 * longRow) return undefined;
  const long = rewriter.emit('Tile', [row, rewriter.integers([repeats])], [repeats * width]);
  const rows = rewriter.reshape(inputs[place], [size / (repeats * width), repeats * width]);
  return rewriter.reshape(rewriter.emit(op, place === 0 ? [rows, long] : [long, rows], rows.shape), shape);
}

/** Σ_rows of x [P, C] by way of [P / r, r · C], whose columns onnxruntime shares out among threads. */
function sumOfLongRows(rewriter: Rewriter, { outputs }: RecordedNode, [ones, x]: readonly Value[]): Value | undefined {
  const [factor] = producer(ones, 'Expand')?.inputs ?? [];
  if (!factor || sizeOf(factor.shape) !== 1 || ones.shape.length !== 2 || ones.shape[0] !== 1 || x.shape.length !== 2) {
    return undefined;
  }
  const [rows, width] = x.shape;
  let repeats = 1;
  while (2 * repeats * width <= longRow && rows % (2 * repeats) === 0) repeats *= 2;
  if (repeats === 1 || rows * width < 32 * longRow) return undefined;
  const [height, length] = [rows / repeats, repeats * width];
  const row = rewriter.emit('Expand', [factor, rewriter.integers([1, height])], [1, height]);
  const partial = rewriter.emit('MatMul', [row, rewriter.reshape(x, [height, length])], [1, length]);
  const sum = rewriter.emit(
    'MatMul',
    [rewriter.ones(repeats), rewriter.reshape(partial, [repeats, width])],
    [1, width],
  );
  return rewriter.reshape(sum, outputs[0].shape);
}

/** f(xᵀ) as f(x)ᵀ, so that transposes meet and cancel. */
function beforeTranspose(
  rewriter: Rewriter,
  { op, attributes }: RecordedNode,
  [x, ...others]: readonly Value[],
): Value | undefined {
  const before = producer(x, 'Transpose');
  if (!before) return undefined;
  const source = before.inputs[0]!;
  const result = rewriter.emit(op, [source, ...others], source.shape, attributes);
  return rewriter.transpose(result, before.attributes.perm as readonly number[]);
}
