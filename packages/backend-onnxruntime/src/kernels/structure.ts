import * as tf from '@tensorflow/tfjs';
import type { OnnxRuntimeBackend } from '../backend.js';
import { kernel, type OnnxKernel } from '../kernel.js';
import type { Value } from '../recording.js';
import { cast, transpose } from './structural.js';

type X = { x: tf.TensorInfo };

/** The same numbers in another shape: no node, and any kind of tensor. */
export function renamed(backend: OnnxRuntimeBackend, x: tf.TensorInfo, shape: number[]): tf.TensorInfo {
  backend.incRef(x.dataId);
  return { dataId: x.dataId, shape, dtype: x.dtype };
}

/** Takes x[index[0]], x[index[1]], … along an axis. */
function takeConstant(backend: OnnxRuntimeBackend, x: Value, axis: number, index: readonly number[]): Value {
  const indices = backend.constant(Int32Array.from(index), [index.length], 'int32');
  return backend.emit('Gather', [x, indices], x.shape.with(axis, index.length), { axis });
}

/** Pads every axis with a number. */
function pad(backend: OnnxRuntimeBackend, x: Value, paddings: readonly (readonly number[])[], number = 0): Value {
  const pads = backend.integers([...paddings.map(([before]) => before), ...paddings.map(([, after]) => after)]);
  const fill =
    x.type === 'bool' ? backend.constant(Uint8Array.of(number), [], 'bool') : backend.scalar(number, x.type as 'int32');
  const shape = x.shape.map((size, axis) => size + paddings[axis][0] + paddings[axis][1]);
  return backend.emit('Pad', [x, pads, fill], shape, { mode: 'constant' });
}

/** Takes [begin, begin + size) of every axis. */
function slice(backend: OnnxRuntimeBackend, x: Value, begin: readonly number[], size: readonly number[]): Value {
  const axes = begin.map((_, axis) => axis).filter((axis) => size[axis] !== x.shape[axis]);
  if (axes.length === 0) return x;
  const starts = axes.map((axis) => begin[axis]);
  const ends = axes.map((axis) => begin[axis] + size[axis]);
  return backend.emit(
    'Slice',
    [x, backend.integers(starts), backend.integers(ends), backend.integers(axes)],
    size.slice(),
  );
}

/**
 * Takes rows [begin, begin + size) of the first axis where begin is fed: taking one batch after the other from a data set is one
 * graph, not one for every batch.
 */
function sliceFed(backend: OnnxRuntimeBackend, x: Value, begin: number, size: number): Value {
  const rest = x.shape.slice(1);
  const feed = (row: number): Value => {
    const dataId = backend.write(Int32Array.of(row), [1], 'int32');
    const value = backend.value({ dataId, shape: [1], dtype: 'int32' });
    backend.disposeData(dataId);
    return value;
  };
  const part = backend.emit('Slice', [x, feed(begin), feed(begin + size)], [size, ...rest]);
  // Tells onnxruntime the shape, which it cannot infer here.
  return backend.emit('Reshape', [part, backend.integers([size, ...rest])], [size, ...rest]);
}

function splitUp(backend: OnnxRuntimeBackend, x: Value, axis: number, sizes: readonly number[]): Value[] {
  if (sizes.length === 1) return [x];
  return backend.emitAll(
    'Split',
    [x, backend.integers(sizes)],
    { axis },
    sizes.map((size) => ({ type: x.type, shape: x.shape.with(axis, size) })),
  );
}

function concatenated(backend: OnnxRuntimeBackend, values: readonly Value[], axis: number): Value {
  if (values.length === 1) return values[0];
  const size = values.reduce((sum, { shape }) => sum + shape[axis], 0);
  return backend.emit('Concat', values, values[0].shape.with(axis, size), { axis });
}

/** Kernels that move or rename numbers and compute nothing. */
export const structureKernels: OnnxKernel[] = [
  kernel(tf.Identity, ({ x }, _, backend) => renamed(backend, x, x.shape), { anyTensor: true }),

  kernel<X, tf.ReshapeAttrs>(
    tf.Reshape,
    ({ x }, { shape }, backend) => {
      const size = tf.util.sizeFromShape(x.shape);
      const inferred = tf.util.inferFromImplicitShape(shape as number[], size);
      tf.util.assert(
        size === tf.util.sizeFromShape(inferred),
        () =>
          `The new shape (${inferred}) has ${tf.util.sizeFromShape(inferred)} elements and the old shape (${x.shape}) has ` +
          `${size} elements. The new shape and old shape must have the same number of elements.`,
      );
      return renamed(backend, x, inferred);
    },
    { anyTensor: true },
  ),

  kernel<{ input: tf.TensorInfo }, tf.ExpandDimsAttrs>(
    tf.ExpandDims,
    ({ input }, { dim }, backend) => {
      const rank = input.shape.length;
      tf.util.assert(-(rank + 1) <= dim, () => `Axis must be in the interval [${-(rank + 1)}, ${rank}]`);
      return renamed(backend, input, input.shape.toSpliced(dim < 0 ? rank + dim + 1 : dim, 0, 1));
    },
    { anyTensor: true },
  ),

  kernel<X, tf.TransposeAttrs>(tf.Transpose, ({ x }, { perm }, backend) =>
    perm.every((from, to) => from === to)
      ? renamed(backend, x, x.shape)
      : backend.output(transpose(backend, backend.value(x), perm)),
  ),

  kernel<X, tf.SliceAttrs>(tf.Slice, ({ x }, attributes, backend) => {
    const [begin, size] = tf.slice_util.parseSliceParams(x as tf.Tensor, attributes.begin, attributes.size);
    tf.slice_util.assertParamsValid(x as tf.Tensor, begin, size);
    const value = backend.value(x);
    const ofRows = size.every((each, axis) => (each === x.shape[axis]) === axis > 0);
    if (ofRows && value.from.kind === 'input') return backend.output(sliceFed(backend, value, begin[0], size[0]));
    return backend.output(slice(backend, value, begin, size));
  }),

  kernel<X, tf.StridedSliceAttrs>(tf.StridedSlice, ({ x }, attributes, backend) => {
    const { begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask } = attributes;
    const info = tf.slice_util.sliceInfo(
      ...([x.shape, begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask] as const),
    );
    if (info.isIdentity) return renamed(backend, x, info.finalShape);
    // Going backwards to the first element ends before it, at -1, which ONNX reads as the last.
    const ends = info.end.map((each) => (each < 0 ? -(2 ** 31) : each));
    const axes = backend.integers(ends.map((_, axis) => axis));
    const [from, to, by] = [info.begin, ends, info.strides].map((each) => backend.integers(each));
    const part = backend.emit('Slice', [backend.value(x), from, to, axes, by], info.finalShapeSparse);
    return backend.output(backend.reshape(part, info.finalShape));
  }),

  kernel<tf.TensorInfo[], tf.ConcatAttrs>(tf.Concat, (inputs, { axis }, backend) => {
    const [along] = tf.util.parseAxisParam(axis, inputs[0].shape);
    tf.backend_util.assertParamsConsistent(
      inputs.map(({ shape }) => shape),
      along,
    );
    const type = inputs[0].dtype as Value['type'];
    const values = inputs.map((input) => cast(backend, backend.value(input), type));
    return backend.output(concatenated(backend, values, along));
  }),

  kernel<tf.TensorInfo[], tf.PackAttrs>(tf.Pack, (inputs, { axis }, backend) => {
    const [{ shape, dtype }] = inputs;
    const along = axis < 0 ? shape.length + axis + 1 : axis;
    for (const input of inputs) {
      tf.util.assertShapesMatch(shape, input.shape, 'All tensors passed to stack must have matching shapes');
      tf.util.assert(dtype === input.dtype, () => 'All tensors passed to stack must have matching dtypes');
    }
    const values = inputs.map((input) => backend.reshape(backend.value(input), shape.toSpliced(along, 0, 1)));
    return backend.output(concatenated(backend, values, along));
  }),

  kernel<{ value: tf.TensorInfo }, tf.UnpackAttrs>(tf.Unpack, ({ value }, { axis }, backend) => {
    const along = axis < 0 ? axis + value.shape.length : axis;
    const sizes = new Array<number>(value.shape[along]).fill(1);
    const shape = value.shape.toSpliced(along, 1);
    return splitUp(backend, backend.value(value), along, sizes).map((part) =>
      backend.output(backend.reshape(part, shape)),
    );
  }),

  kernel<X, tf.SplitVAttrs>(tf.SplitV, ({ x }, { numOrSizeSplits, axis }, backend) => {
    const [along] = tf.util.parseAxisParam(axis, x.shape);
    const sizes = tf.backend_util.prepareSplitSize(x as tf.Tensor, numOrSizeSplits, along);
    return splitUp(backend, backend.value(x), along, sizes).map((part) => backend.output(part));
  }),

  kernel<X, tf.PadV2Attrs>(tf.PadV2, ({ x }, { paddings, constantValue }, backend) =>
    paddings.every(([before, after]) => before === 0 && after === 0)
      ? renamed(backend, x, x.shape)
      : backend.output(pad(backend, backend.value(x), paddings, constantValue)),
  ),

  kernel<X, tf.MirrorPadAttrs>(tf.MirrorPad, ({ x }, { paddings, mode }, backend) => {
    const offset = mode === 'reflect' ? 0 : 1;
    const mirrored = paddings.reduce((value, [before, after], axis) => {
      if (before === 0 && after === 0) return value;
      const size = x.shape[axis];
      const index = Array.from({ length: before + size + after }, (_, to) => {
        if (to < before) return before - to - offset;
        return to < before + size ? to - before : 2 * (size - 1) - (to - before) + offset;
      });
      return takeConstant(backend, value, axis, index);
    }, backend.value(x));
    return backend.output(mirrored);
  }),

  kernel<X, tf.TileAttrs>(tf.Tile, ({ x }, { reps }, backend) => {
    if (reps.every((times) => times === 1)) return renamed(backend, x, x.shape);
    const shape = x.shape.map((size, axis) => size * reps[axis]);
    return backend.output(backend.emit('Tile', [backend.value(x), backend.integers(reps)], shape));
  }),

  kernel<X, tf.ReverseAttrs>(tf.Reverse, ({ x }, { dims }, backend) => {
    const axes = tf.util.parseAxisParam(dims, x.shape);
    if (x.shape.length === 0 || axes.length === 0) return renamed(backend, x, x.shape);
    const every = (number: number) => backend.integers(axes.map(() => number));
    const inputs = [backend.value(x), every(-1), every(-(2 ** 31)), backend.integers(axes), every(-1)];
    return backend.output(backend.emit('Slice', inputs, x.shape));
  }),

  kernel(tf.Diag, ({ x }, _, backend) => {
    const size = tf.util.sizeFromShape(x.shape);
    const column = backend.reshape(backend.value(x), [size, 1]);
    // Rows one longer than the result's move each number one further.
    const rows = backend.reshape(
      pad(backend, column, [
        [0, 0],
        [0, size],
      ]),
      [size * (size + 1)],
    );
    return backend.output(backend.reshape(slice(backend, rows, [0], [size * size]), [...x.shape, ...x.shape]));
  }),

  kernel<X, tf.DepthToSpaceAttrs>(tf.DepthToSpace, ({ x }, { blockSize, dataFormat }, backend) => {
    tf.util.assert(
      dataFormat === 'NHWC',
      () => `Only NHWC dataFormat supported on onnxruntime for depthToSpace. Got ${dataFormat}`,
    );
    const [batch, height, width, channels] = x.shape;
    const depth = channels / (blockSize * blockSize);
    const blocks = backend.reshape(backend.value(x), [batch, height, width, blockSize, blockSize, depth]);
    const moved = transpose(backend, blocks, [0, 1, 3, 2, 4, 5]);
    return backend.output(backend.reshape(moved, [batch, height * blockSize, width * blockSize, depth]));
  }),

  kernel<X, tf.BatchToSpaceNDAttrs>(tf.BatchToSpaceND, ({ x }, { blockShape, crops }, backend) => {
    const { getReshaped, getPermuted, getReshapedPermuted, getSliceBeginCoords, getSliceSize } = tf.backend_util;
    const product = tf.util.sizeFromShape(blockShape);
    const reshaped = backend.reshape(backend.value(x), getReshaped(x.shape, blockShape, product));
    const moved = transpose(backend, reshaped, getPermuted(reshaped.shape.length, blockShape.length));
    const uncropped = getReshapedPermuted(x.shape, blockShape, product);
    const begin = getSliceBeginCoords(crops, blockShape.length);
    const size = getSliceSize(uncropped, crops, blockShape.length);
    const rest = uncropped.slice(begin.length);
    const value = backend.reshape(moved, uncropped);
    return backend.output(slice(backend, value, [...begin, ...rest.map(() => 0)], [...size, ...rest]));
  }),

  kernel<X, tf.SpaceToBatchNDAttrs>(tf.SpaceToBatchND, ({ x }, { blockShape, paddings }, backend) => {
    const { getReshaped, getPermuted, getReshapedPermuted } = tf.backend_util;
    const product = tf.util.sizeFromShape(blockShape);
    const rest = x.shape.slice(1 + blockShape.length).map(() => [0, 0]);
    const padded = pad(backend, backend.value(x), [[0, 0], ...paddings, ...rest]);
    const shape = padded.shape.slice();
    const reshaped = backend.reshape(padded, getReshaped(shape, blockShape, product, false));
    const moved = transpose(backend, reshaped, getPermuted(reshaped.shape.length, blockShape.length, false));
    return backend.output(backend.reshape(moved, getReshapedPermuted(shape, blockShape, product, false)));
  }),
];
