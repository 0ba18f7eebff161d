import * as tf from '@tensorflow/tfjs';
import type { OnnxRuntimeBackend } from '../backend.js';
import { kernel, type OnnxKernel } from '../kernel.js';
import type { Value } from '../recording.js';
import { cast, transpose } from './structural.js';

type Inputs<K extends string> = Record<K, tf.TensorInfo>;

/**
 * Fails as tfjs's cpu kernels do when an index leaves its range. Indices that are still to be computed are not looked at:
 * onnxruntime refuses those that are too large when the graph runs, and counts negative ones from the end.
 */
function checkIndices(
  backend: OnnxRuntimeBackend,
  indices: tf.TensorInfo,
  size: number,
  fail: (index: number) => string,
): void {
  for (const index of (backend.hostValues(indices.dataId) ?? []) as Int32Array)
    if (index < 0 || index >= size) throw new Error(fail(index));
}

/** Rows of a [rows, …] view that the last axis of `indices` names: Σ index · stride. [N, K] → [N] */
function flatIndices(backend: OnnxRuntimeBackend, indices: Value, strides: readonly number[]): Value {
  const [count, depth] = indices.shape;
  if (depth === 1) return backend.reshape(indices, [count]);
  const factors = backend.constant(Int32Array.from(strides), [depth], 'int32');
  const scaled = backend.emit('Mul', [indices, factors], [count, depth]);
  return backend.emit('ReduceSum', [scaled, backend.integers([1])], [count], { keepdims: 0 });
}

function checkRows(
  backend: OnnxRuntimeBackend,
  indices: tf.TensorInfo,
  depth: number,
  strides: readonly number[],
  rows: number,
  shape: readonly number[],
): void {
  const values = backend.hostValues(indices.dataId) as Int32Array | undefined;
  for (let at = 0; values && at < values.length; at += depth) {
    const index = values.subarray(at, at + depth);
    const row = index.reduce((sum, each, axis) => sum + each * strides[axis], 0);
    if (row < 0 || row >= rows) throw new Error(`Invalid indices: ${index} does not index into ${shape}`);
  }
}

/** into[rows[n], d] gets updates[n, d], or has it added. [R, D], [N], [N, D] → [R, D]; one update after the other, in order. */
function scatterRows(backend: OnnxRuntimeBackend, into: Value, rows: Value, updates: Value, add: boolean): Value {
  const [count, depth] = updates.shape;
  // On two threads onnxruntime's ScatterND loses updates of the same row now and then; ScatterElements does not.
  const column = backend.reshape(rows, [count, 1]);
  const index =
    depth === 1 ? column : backend.emit('Expand', [column, backend.integers([count, depth])], [count, depth]);
  return backend.emit('ScatterElements', [into, index, updates], into.shape, {
    axis: 0,
    ...(add ? { reduction: 'add' } : {}),
  });
}

function filled(backend: OnnxRuntimeBackend, value: Value, shape: readonly number[]): Value {
  return backend.emit('Expand', [value, backend.integers(shape)], shape);
}

interface Scatter {
  into: Value;
  indices: tf.TensorInfo;
  updates: Value;
  shape: number[];
  add: boolean;
}

function scatter(backend: OnnxRuntimeBackend, { into, indices, updates, shape, add }: Scatter): tf.TensorInfo {
  const { sliceRank, numUpdates, sliceSize, strides, outputSize } = tf.backend_util.calculateShapes(
    updates as unknown as tf.Tensor,
    indices as tf.Tensor,
    shape,
  );
  const rows = outputSize / sliceSize;
  checkRows(backend, indices, sliceRank, strides, rows, shape);
  // ScatterElements adds no bools, and 32-bit integers cost nothing.
  const type = into.type === 'bool' ? 'int32' : into.type;
  const flat = cast(backend, updates, type);
  const result = scatterRows(
    backend,
    backend.reshape(cast(backend, into, type), [rows, sliceSize]),
    flatIndices(backend, backend.reshape(backend.value(indices), [numUpdates, sliceRank]), strides),
    updates.shape.length === 0
      ? filled(backend, flat, [numUpdates, sliceSize])
      : backend.reshape(flat, [numUpdates, sliceSize]),
    add,
  );
  return backend.output(cast(backend, backend.reshape(result, shape), into.type));
}

/** Kernels that read or write where a tensor of indices says. */
export const indexingKernels: OnnxKernel[] = [
  kernel<Inputs<'x' | 'indices'>, tf.GatherV2Attrs>(tf.GatherV2, ({ x, indices }, { axis, batchDims }, backend) => {
    const [along] = tf.util.parseAxisParam(axis, x.shape);
    const size = x.shape[along];
    checkIndices(backend, indices, size, (index) => `GatherV2: the index value ${index} is not in [0, ${size - 1}]`);
    const { batchSize, outerSize, dimSize, sliceSize, outputShape } =
      tf.backend_util.segment_util.collectGatherOpShapeInfo(
        x as tf.Tensor,
        indices as tf.Tensor,
        along,
        batchDims ?? 0,
      );
    const value = backend.value(x);
    const index = cast(backend, backend.value(indices), 'int32');
    if (batchSize === 1) {
      const count = tf.util.sizeFromShape(indices.shape);
      const blocks = backend.reshape(value, [outerSize, dimSize, sliceSize]);
      const inputs = [blocks, backend.reshape(index, [count])];
      const taken = backend.emit('Gather', inputs, [outerSize, count, sliceSize], { axis: 1 });
      return backend.output(backend.reshape(taken, outputShape));
    }
    // Each batch in rows of its own: row = batch · dimSize + index.
    const count = tf.util.sizeFromShape(indices.shape) / batchSize;
    const blocks = backend.reshape(value, [batchSize, outerSize, dimSize, sliceSize]);
    const table = backend.reshape(outerSize === 1 ? blocks : transpose(backend, blocks, [0, 2, 1, 3]), [
      batchSize * dimSize,
      outerSize * sliceSize,
    ]);
    const offsets = Int32Array.from({ length: batchSize }, (_, batch) => batch * dimSize);
    const rows = backend.emit(
      'Add',
      [backend.reshape(index, [batchSize, count]), backend.constant(offsets, [batchSize, 1], 'int32')],
      [batchSize, count],
    );
    const taken = backend.emit('Gather', [table, rows], [batchSize, count, outerSize * sliceSize], { axis: 0 });
    const split = backend.reshape(taken, [batchSize, count, outerSize, sliceSize]);
    return backend.output(
      backend.reshape(outerSize === 1 ? split : transpose(backend, split, [0, 2, 1, 3]), outputShape),
    );
  }),

  kernel<Inputs<'params' | 'indices'>>(tf.GatherNd, ({ params, indices }, _, backend) => {
    const depth = indices.shape.at(-1)!;
    const [shape, count, sliceSize, strides] = tf.backend_util.prepareAndValidate(
      params as tf.Tensor,
      indices as tf.Tensor,
    );
    const rows = tf.util.sizeFromShape(params.shape) / sliceSize;
    checkRows(backend, indices, depth, strides, rows, params.shape);
    const index = flatIndices(
      backend,
      backend.reshape(cast(backend, backend.value(indices), 'int32'), [count, depth]),
      strides,
    );
    const table = backend.reshape(backend.value(params), [rows, sliceSize]);
    return backend.output(
      backend.reshape(backend.emit('Gather', [table, index], [count, sliceSize], { axis: 0 }), shape),
    );
  }),

  kernel<Inputs<'indices' | 'updates'>, tf.ScatterNdAttrs>(tf.ScatterNd, ({ indices, updates }, { shape }, backend) => {
    const value = backend.value(updates);
    const zero = backend.scalar(0, value.type === 'bool' ? 'int32' : (value.type as 'int32'));
    const into = cast(backend, filled(backend, zero, shape), value.type);
    return shape.includes(0)
      ? backend.output(into)
      : scatter(backend, { into, indices, updates: value, shape, add: true });
  }),

  kernel<Inputs<'tensor' | 'indices' | 'updates'>>(
    tf.TensorScatterUpdate,
    ({ tensor, indices, updates }, _, backend) => {
      const into = backend.value(tensor);
      return scatter(backend, { into, indices, updates: backend.value(updates), shape: tensor.shape, add: false });
    },
  ),

  kernel<Inputs<'sparseIndices' | 'sparseValues' | 'defaultValue'>, tf.SparseToDenseAttrs>(
    tf.SparseToDense,
    ({ sparseIndices, sparseValues, defaultValue }, { outputShape }, backend) => {
      const updates = backend.value(sparseValues);
      const background = cast(backend, backend.reshape(backend.value(defaultValue), []), updates.type);
      const into = filled(backend, background, outputShape);
      return scatter(backend, { into, indices: sparseIndices, updates, shape: outputShape, add: false });
    },
  ),

  kernel<Inputs<'indices'>, tf.OneHotAttrs>(tf.OneHot, ({ indices }, { depth, dtype, onValue, offValue }, backend) => {
    const shape = [...indices.shape, depth];
    const positions = backend.constant(
      Int32Array.from({ length: depth }, (_, i) => i),
      [depth],
      'int32',
    );
    const index = backend.reshape(cast(backend, backend.value(indices), 'int32'), [...indices.shape, 1]);
    const hit = backend.emit('Equal', [index, positions], shape, { type: 'bool' });
    const type = dtype === 'float32' ? 'float32' : 'int32';
    const numbers =
      onValue === 1 && offValue === 0
        ? hit
        : backend.emit('Where', [hit, backend.scalar(onValue, type), backend.scalar(offValue, type)], shape, { type });
    return backend.output(cast(backend, numbers, dtype as Value['type']));
  }),

  kernel<Inputs<'x' | 'segmentIds'>, tf.UnsortedSegmentSumAttrs>(
    tf.UnsortedSegmentSum,
    ({ x, segmentIds }, { numSegments }, backend) => {
      // tfjs defines nothing else.
      if (segmentIds.shape.length !== 1) return undefined;
      const [count, ...rest] = x.shape;
      const size = tf.util.sizeFromShape(rest);
      const ids = backend.value(segmentIds);
      // Numbers of no segment go to a row of their own, which is cut off.
      const row = (number: number) => backend.scalar(number, 'int32');
      const below = backend.emit('Less', [ids, row(0)], ids.shape, { type: 'bool' });
      const above = backend.emit('Greater', [ids, row(numSegments - 1)], ids.shape, { type: 'bool' });
      const outside = backend.emit('Or', [below, above], ids.shape);
      const rows = backend.emit('Where', [outside, row(numSegments), ids], ids.shape, { type: 'int32' });
      const zeros = filled(backend, backend.scalar(0), [numSegments + 1, size]);
      const numbers = backend.reshape(cast(backend, backend.value(x), 'float32'), [count, size]);
      const sums = scatterRows(backend, zeros, rows, numbers, true);
      const kept = backend.emit(
        'Slice',
        [sums, backend.integers([0]), backend.integers([numSegments])],
        [numSegments, size],
      );
      return backend.output(backend.reshape(kept, [numSegments, ...rest]));
    },
    { except: 'segment ids of more than one axis' },
  ),

  kernel<Inputs<'x'>, tf.TopKAttrs>(tf.TopK, ({ x }, { k }, backend) => {
    const shape = x.shape.with(-1, k);
    const numbers = cast(backend, backend.value(x), x.dtype === 'bool' ? 'int32' : (x.dtype as Value['type']));
    const [values, positions] = backend.emitAll('TopK', [numbers, backend.integers([k])], { axis: -1 }, [
      { type: numbers.type, shape },
      { type: 'int64', shape },
    ]);
    return [
      backend.output(cast(backend, values, x.dtype as Value['type'])),
      backend.output(cast(backend, positions, 'int32')),
    ];
  }),
];
