import * as tf from '@tensorflow/tfjs';
import { composed, type KernelArguments, type Workspace } from './workspace.js';

/** Below this many elements a loop beats a call of copyWithin. */
const SHORT = 48;

/** Copies `rows` runs of `length` words, `fromPitch` and `toPitch` apart. */
function copyRows(
  words: Int32Array,
  from: number,
  fromPitch: number,
  to: number,
  toPitch: number,
  length: number,
  rows: number,
): void {
  if (length < SHORT) {
    for (let r = 0; r < rows; r++, from += fromPitch, to += toPitch) {
      for (let i = 0; i < length; i++) words[to + i] = words[from + i];
    }
  } else {
    for (let r = 0; r < rows; r++, from += fromPitch, to += toPitch) words.copyWithin(to, from, from + length);
  }
}

/** The part of x that starts at `begin` and has shape `size`, copied run by run. Types of four bytes. */
function block(workspace: Workspace, x: tf.TensorInfo, begin: number[], size: number[]): tf.TensorInfo {
  const result = workspace.empty(size, x.dtype);
  if (tf.util.sizeFromShape(size) === 0) return result;
  const strides = x.shape.map((_, axis) => tf.util.sizeFromShape(x.shape.slice(axis + 1)));
  // runs: the last axes, up to the first that is cut
  let axis = size.length - 1;
  while (axis > 0 && size[axis] === x.shape[axis]) axis--;
  const run = tf.util.sizeFromShape(size.slice(Math.max(axis, 0)));
  const rows = axis > 0 ? size[axis - 1] : 1;
  const pitch = axis > 0 ? strides[axis - 1] : 0;
  const outer = size.slice(0, Math.max(axis - 1, 0));
  const words = workspace.words();
  const first = workspace.start(x) + begin.reduce((sum, start, i) => sum + start * strides[i], 0);
  const to = workspace.start(result);
  const blocks = tf.util.sizeFromShape(outer);
  for (let b = 0; b < blocks; b++) {
    let from = first;
    for (let i = outer.length - 1, rest = b; i >= 0; i--) {
      from += (rest % outer[i]) * strides[i];
      rest = Math.floor(rest / outer[i]);
    }
    copyRows(words, from, pitch, to + b * rows * run, run, run, rows);
  }
  return result;
}

function joined(workspace: Workspace, inputs: tf.TensorInfo[], axis: number): tf.TensorInfo {
  const shape = [...inputs[0].shape];
  shape[axis] = inputs.reduce((sum, input) => sum + input.shape[axis], 0);
  const result = workspace.empty(shape, inputs[0].dtype);
  const words = workspace.words();
  const rows = tf.util.sizeFromShape(shape.slice(0, axis));
  const pitch = tf.util.sizeFromShape(shape.slice(axis));
  let to = workspace.start(result);
  for (const input of inputs) {
    const length = tf.util.sizeFromShape(input.shape.slice(axis));
    copyRows(words, workspace.start(input), length, to, pitch, length, rows);
    to += length;
  }
  return result;
}

const ofFourBytes = ({ dtype }: tf.TensorInfo) => dtype === 'float32' || dtype === 'int32';

const sliceBlock = composed<{ x: tf.TensorInfo }, { begin: number[]; size: number[] }>(
  (workspace, { x }, { begin, size }) => block(workspace, x, begin, size),
);

type Stock<Result = tf.TensorInfo> = (args: KernelArguments) => Result;

/** Slice by runs; tfjs reads the whole tensor out of the heap first. */
export function slice(stock: Stock): Stock {
  return (args) => {
    const { x } = args.inputs as { x: tf.TensorInfo };
    if (!ofFourBytes(x)) return stock(args);
    const attrs = args.attrs as { begin: number | number[]; size: number | number[] };
    const [begin, size] = tf.slice_util.parseSliceParams(x, attrs.begin, attrs.size);
    return sliceBlock({ ...args, attrs: { begin, size } });
  };
}

/** Cuts x along an axis into pieces of the given sizes. */
function pieces(x: tf.TensorInfo, axis: number, sizes: number[], backend: unknown): tf.TensorInfo[] {
  let start = 0;
  return sizes.map((length) => {
    const begin = x.shape.map((_, i) => (i === axis ? start : 0));
    const size = x.shape.map((full, i) => (i === axis ? length : full));
    start += length;
    return sliceBlock({ inputs: { x }, attrs: { begin, size }, backend });
  });
}

export function splitV(stock: Stock<tf.TensorInfo[]>): Stock<tf.TensorInfo[]> {
  return (args) => {
    const { x } = args.inputs as { x: tf.TensorInfo };
    if (!ofFourBytes(x)) return stock(args);
    const { numOrSizeSplits, axis } = args.attrs as { numOrSizeSplits: number | number[]; axis: number };
    const [along] = tf.util.parseAxisParam(axis, x.shape);
    const sizes = tf.backend_util.prepareSplitSize(x as tf.Tensor, numOrSizeSplits, along);
    return pieces(x, along, sizes, args.backend);
  };
}

export function unpack(stock: Stock<tf.TensorInfo[]>): Stock<tf.TensorInfo[]> {
  return (args) => {
    const { value } = args.inputs as { value: tf.TensorInfo };
    if (!ofFourBytes(value)) return stock(args);
    const [axis] = tf.util.parseAxisParam((args.attrs as { axis: number }).axis, value.shape);
    const shape = value.shape.filter((_, i) => i !== axis);
    const ones = new Array<number>(value.shape[axis]).fill(1);
    return pieces(value, axis, ones, args.backend).map((piece) => ({ ...piece, shape }));
  };
}

const alike = (inputs: tf.TensorInfo[]) =>
  inputs.length > 1 && inputs.every((input) => ofFourBytes(input) && input.dtype === inputs[0].dtype);

export function concat(stock: Stock): Stock {
  const fast = composed<tf.TensorInfo[], { axis: number }>((workspace, inputs, { axis }) =>
    joined(workspace, inputs, axis),
  );
  return (args) => {
    const inputs = args.inputs as unknown as tf.TensorInfo[];
    if (!alike(inputs)) return stock(args);
    const [axis] = tf.util.parseAxisParam((args.attrs as { axis: number }).axis, inputs[0].shape);
    tf.backend_util.assertParamsConsistent(
      inputs.map(({ shape }) => shape),
      axis,
    );
    return fast({ ...args, attrs: { axis } });
  };
}

export function pack(stock: Stock): Stock {
  const fast = composed<tf.TensorInfo[], { axis: number }>((workspace, inputs, { axis }) => {
    const expanded = (shape: number[]) => [...shape.slice(0, axis), 1, ...shape.slice(axis)];
    return joined(
      workspace,
      inputs.map((input) => workspace.reshape(input, expanded(input.shape))),
      axis,
    );
  });
  return (args) => {
    const inputs = args.inputs as unknown as tf.TensorInfo[];
    const { axis } = args.attrs as { axis: number };
    const same = inputs.every(({ shape }) => tf.util.arraysEqual(shape, inputs[0].shape));
    return alike(inputs) && same && axis >= 0 ? fast(args) : stock(args);
  };
}
