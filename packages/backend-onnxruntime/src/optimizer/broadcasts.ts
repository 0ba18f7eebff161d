import type { RecordedNode, Value } from '../recording.js';
import { producer, type Rewriter, sameShape, sizeOf, unshaped } from './rewriter.js';

/*
 * Sums, differences, products and quotients of a large tensor with a small one that is repeated over it. The gradients that tfjs
 * has for batch and layer normalization are full of them, and most of their passes over activations go away when what is
 * repeated stays small for as long as it can. Products and sums are taken in another order: results differ by rounding.
 */

const arithmetic = new Set(['Add', 'Sub', 'Mul', 'Div']);

/**
 * What a node gives when small operands stay small; undefined where there is nothing to gain.
 *
 * @param isUsedOnce whether one node alone reads what the given one reads
 */
export function keepSmall(
  rewriter: Rewriter,
  node: RecordedNode,
  inputs: readonly Value[],
  isUsedOnce: (value: Value) => boolean,
): Value | undefined {
  const [{ type, shape }] = node.outputs;
  if (type !== 'float32') return undefined;
  if (arithmetic.has(node.op)) {
    const fused = node.op === 'Add' ? biased(rewriter, node, inputs, isUsedOnce) : undefined;
    return fused ?? combine(rewriter, node.op, inputs[0], inputs[1], shape);
  }
  return node.op === 'MatMul' ? sumOfRows(rewriter, inputs, shape) : undefined;
}

function combine(rewriter: Rewriter, op: string, first: Value, second: Value, shape: readonly number[]): Value {
  const [a, b] = [unrepeated(first), unrepeated(second)];
  const inner = broadcast(a.shape, b.shape);
  if (sizeOf(inner) < sizeOf(shape)) {
    const small = operate(rewriter, op, a, b, inner);
    return rewriter.emit('Expand', [small, rewriter.integers(shape)], shape);
  }
  return rewriter.reshape(operate(rewriter, op, a, b, inner), shape);
}

/** a op b, where the product of a large tensor with a small one takes further factors into the small one. */
function operate(rewriter: Rewriter, op: string, a: Value, b: Value, shape: readonly number[]): Value {
  const [left, right] = [rowOf(rewriter, a, shape), rowOf(rewriter, b, shape)];
  if (right && (op === 'Mul' || op === 'Div')) {
    const product = scaled(rewriter, a);
    if (product) return times(rewriter, product.large, small(rewriter, op, product.row, right), shape);
  }
  if (left && op === 'Mul') {
    const product = scaled(rewriter, b);
    if (product) return times(rewriter, product.large, small(rewriter, op, product.row, left), shape);
  }
  if (op === 'Mul' && !left && !right) {
    // (r x) (s y), with numbers r and s, is one pass less as (r s) (x y).
    const [p, q] = [scaled(rewriter, a), scaled(rewriter, b)];
    if (p?.row.shape.length === 0 && q?.row.shape.length === 0) {
      const product = operate(rewriter, op, p.large, q.large, shape);
      return operate(rewriter, op, product, small(rewriter, op, p.row, q.row), shape);
    }
  }
  const operands = [left ?? a, right ?? b];
  if (op === 'Add' || op === 'Mul') {
    // One order, so that a · b and b · a are one node; the large one first.
    operands.sort((x, y) => sizeOf(y.shape) - sizeOf(x.shape) || rewriter.id(x) - rewriter.id(y));
  }
  return rewriter.emit(op, operands, shape);
}

function times(rewriter: Rewriter, large: Value, row: Value, shape: readonly number[]): Value {
  return rewriter.emit('Mul', [large, row], shape);
}

function small(rewriter: Rewriter, op: string, a: Value, b: Value): Value {
  return operate(rewriter, op, a, b, broadcast(a.shape, b.shape));
}

/** A product of matrices and a row that is added to it, as one operator, if nothing else needs the product. */
function biased(
  rewriter: Rewriter,
  { inputs: originals, outputs: [{ shape }] }: RecordedNode,
  inputs: readonly Value[],
  isUsedOnce: (value: Value) => boolean,
): Value | undefined {
  for (const place of [0, 1]) {
    const product = producer(unshaped(inputs[place]), 'Gemm');
    const row = rowOf(rewriter, inputs[1 - place], shape);
    if (product?.inputs.length !== 2 || row?.shape.length !== 1) continue;
    const [{ shape: matrix }] = product.outputs;
    if (row.shape[0] !== matrix[1] || sizeOf(matrix) !== sizeOf(shape) || !onlyReader(originals[place]!, isUsedOnce)) {
      continue;
    }
    return rewriter.reshape(rewriter.emit('Gemm', [...product.inputs, row], matrix, product.attributes), shape);
  }
  return undefined;
}

/** Whether a value, and what it is a reshape of, is read once. */
function onlyReader(value: Value, isUsedOnce: (value: Value) => boolean): boolean {
  const before = producer(value, 'Reshape')?.inputs[0];
  return isUsedOnce(value) && (!before || onlyReader(before, isUsedOnce));
}

/** What a value repeats, if it is an Expand, or a Tile of axes of one element. */
function unrepeated(value: Value): Value {
  const source = (producer(value, 'Expand') ?? producer(value, 'Tile'))?.inputs[0];
  if (!source) return value;
  const offset = value.shape.length - source.shape.length;
  const repeats = source.shape.every((size, axis) => size === 1 || size === value.shape[axis + offset]);
  return repeats ? unrepeated(source) : value;
}

/** Numbers that are one per last axis of a larger shape, as [C]: of [1, 1, C]; a single number as []. */
function rowOf(rewriter: Rewriter, value: Value, shape: readonly number[]): Value | undefined {
  const size = sizeOf(value.shape);
  if (size >= sizeOf(shape) || value.type !== 'float32') return undefined;
  if (size === 1) return rewriter.reshape(value, []);
  return size === shape.at(-1) && size === value.shape.at(-1) ? rewriter.reshape(value, [size]) : undefined;
}

/** A product of a large tensor with a row or a number. */
interface Scaled {
  large: Value;
  row: Value;
}

function scaled(rewriter: Rewriter, value: Value): Scaled | undefined {
  const node = producer(unshaped(value), 'Mul');
  const [large, factor] = (node?.inputs ?? []) as readonly Value[];
  if (!node || !sameShape(large.shape, node.outputs[0].shape) || large.shape.at(-1) !== value.shape.at(-1)) {
    return undefined;
  }
  // `operate` puts the large one first.
  const row = rowOf(rewriter, factor, large.shape);
  return row && { large: rewriter.reshape(large, value.shape), row };
}

/** Σ_rows of products: factors that are the same in every row are multiplied with the sum. */
function sumOfRows(rewriter: Rewriter, [ones, x]: readonly Value[], shape: readonly number[]): Value | undefined {
  if (ones.shape.length !== 2 || ones.shape[0] !== 1 || x.shape.length !== 2 || sizeOf(unrepeated(ones).shape) !== 1) {
    return undefined;
  }
  const rows: Value[] = [];
  const factors = factorsOf(rewriter, x, rows);
  if (rows.length === 0) return undefined;
  const product = factors.reduce((a, b) => operate(rewriter, 'Mul', a, b, x.shape));
  const sum = rewriter.emit('MatMul', [ones, product], shape);
  return rows.reduce((total, row) => operate(rewriter, 'Mul', total, row, shape), sum);
}

/** The large factors of a product; its rows go to `rows`. */
function factorsOf(rewriter: Rewriter, value: Value, rows: Value[]): Value[] {
  const product = scaled(rewriter, value);
  if (product) {
    rows.push(product.row);
    return factorsOf(rewriter, product.large, rows);
  }
  const node = producer(unshaped(value), 'Mul');
  if (!node || !node.inputs.every((input) => sameShape(input!.shape, node.outputs[0].shape))) return [value];
  const found: Value[] = [];
  const factors = node.inputs.flatMap((input) => factorsOf(rewriter, rewriter.reshape(input!, value.shape), found));
  // Taken apart only where that helps.
  if (found.length === 0) return [value];
  rows.push(...found);
  return factors;
}

/** The shape two shapes broadcast to. */
function broadcast(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const [m, n] = [a[a.length - rank + i] ?? 1, b[b.length - rank + i] ?? 1];
    return m === 1 ? n : m;
  });
}
