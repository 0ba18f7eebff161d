import * as tf from '@tensorflow/tfjs';
import { composed, type KernelArguments, type Workspace } from './workspace.js';

/**
 * Sum over the rows of a [rows, columns] matrix, as [columns].
 *
 * Average pooling adds groups of √rows rows with SIMD; the few group sums are added up in float64.
 */
export function sumRows(workspace: Workspace, x: tf.TensorInfo, rows: number, columns: number): tf.TensorInfo {
  const group = Math.floor(Math.sqrt(rows));
  const groups = Math.floor(rows / group);
  const totals = new Float64Array(columns);
  if (group > 1) {
    const pooled = workspace.run(
      'AvgPool',
      { x: workspace.reshape(x, [1, groups * group, 1, columns]) },
      { filterSize: [group, 1], strides: [group, 1], pad: 'valid' },
    );
    addRows(totals, workspace.values(pooled), groups);
    for (let c = 0; c < columns; c++) totals[c] *= group;
  }
  const result = workspace.empty([columns]);
  const counted = group > 1 ? groups * group : 0;
  addRows(totals, workspace.values({ ...x, shape: [rows * columns] }).subarray(counted * columns), rows - counted);
  workspace.values(result).set(totals);
  return result;
}

function addRows(totals: Float64Array, values: Float32Array, rows: number): void {
  const columns = totals.length;
  for (let r = 0, i = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) totals[c] += values[i++];
  }
}

interface ReductionAttributes {
  axis: number | number[];
  keepDims?: boolean;
}

/** Views a reduction as [outer, reduced, inner]; undefined where the reduced axes do not lie together. */
function asMiddleAxis(shape: number[], axes: number[]) {
  const reduced = shape.map((size, i) => axes.includes(i) && size > 1);
  const first = reduced.indexOf(true);
  const last = reduced.lastIndexOf(true);
  if (first < 0 || shape.slice(first, last + 1).some((size, i) => size > 1 && !reduced[first + i])) return undefined;
  const size = tf.util.sizeFromShape;
  return {
    outer: size(shape.slice(0, first)),
    count: size(shape.slice(first, last + 1)),
    inner: size(shape.slice(last + 1)),
  };
}

/**
 * Sum or Mean over axes that are not the last. tfjs transposes there; here pooling does it in one pass. The last axis,
 * scattered axes and other types are left to tfjs.
 */
export function pooledReduction(
  kind: 'Sum' | 'Mean',
  stock: (args: KernelArguments) => tf.TensorInfo,
): (args: KernelArguments) => tf.TensorInfo {
  const pooled = composed<{ x: tf.TensorInfo }, ReductionAttributes>((workspace, { x }, { axis, keepDims }) => {
    const axes = tf.util.parseAxisParam(axis, x.shape);
    const { outer, count, inner } = asMiddleAxis(x.shape, axes)!;
    let result: tf.TensorInfo;
    let factor: number;
    if (outer === 1) {
      result = sumRows(workspace, x, count, inner);
      factor = kind === 'Mean' ? 1 / count : 1;
    } else {
      result = workspace.run(
        'AvgPool',
        { x: workspace.reshape(x, [outer, count, 1, inner]) },
        { filterSize: [count, 1], strides: [1, 1], pad: 'valid' },
      );
      factor = kind === 'Mean' ? 1 : count;
    }
    if (factor !== 1) {
      const values = workspace.values(result);
      for (let i = 0; i < values.length; i++) values[i] *= factor;
    }
    const shape = x.shape.flatMap((size, i) => (axes.includes(i) ? (keepDims ? [1] : []) : [size]));
    return workspace.reshape(result, shape);
  });
  return (args) => {
    const { x } = args.inputs as { x: tf.TensorInfo };
    const { axis } = args.attrs as ReductionAttributes;
    const view = asMiddleAxis(x.shape, tf.util.parseAxisParam(axis, x.shape));
    const fast = x.dtype === 'float32' && view && view.inner > 1 && tf.util.sizeFromShape(x.shape) > 0;
    return fast ? pooled(args) : stock(args);
  };
}
