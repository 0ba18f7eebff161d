import * as tf from '@tensorflow/tfjs';
import type { OnnxRuntimeBackend } from '../backend.js';
import type { OnnxKernel } from '../kernel.js';
import type { Value } from '../recording.js';
import { apply, arithmetic, convert, filled, result } from './expression.js';

interface ReductionAttributes {
  axis: number | number[];
  keepDims: boolean;
}

type Reducer = (backend: OnnxRuntimeBackend, x: Value, axes: readonly number[]) => Value;

/** Neighboring axes that are reduced, or kept, together. */
interface AxisGroup {
  size: number;
  reduced: boolean;
}

function axisGroups(shape: readonly number[], axes: readonly number[]): AxisGroup[] {
  const groups: AxisGroup[] = [];
  shape.forEach((size, axis) => {
    if (size === 1) return;
    const reduced = axes.includes(axis);
    const last = groups.at(-1);
    if (last?.reduced === reduced) last.size *= size;
    else groups.push({ size, reduced });
  });
  return groups;
}

function product(groups: readonly AxisGroup[]): number {
  return groups.reduce((size, group) => size * group.size, 1);
}

/**
 * Sums or averages floats. Sums over leading axes are products with a row of ones: ReduceSum over them is several times slower, and
 * slower still on two threads.
 */
function addUp(backend: OnnxRuntimeBackend, x: Value, axes: readonly number[], mean: boolean): Value {
  let groups = axisGroups(x.shape, axes);
  let value = x;
  for (let i = groups.length - 1; i >= 0; i--) {
    const { size, reduced } = groups[i];
    if (!reduced) continue;
    const [before, after] = [product(groups.slice(0, i)), product(groups.slice(i + 1))];
    if (after === 1) {
      const rows = backend.reshape(value, [before, size]);
      value = mean
        ? backend.emit('ReduceMean', [rows], [before], { axes: [1], keepdims: 0 })
        : backend.emit('ReduceSum', [rows, backend.integers([1])], [before], { keepdims: 0 });
    } else {
      const row = filled(backend, [1, size], mean ? 1 / size : 1);
      const batch = before === 1 ? [] : [before];
      value = backend.emit('MatMul', [row, backend.reshape(value, [...batch, size, after])], [...batch, 1, after]);
    }
    groups = groups.filter((_, each) => each !== i);
  }
  return value;
}

/** Reduces by an operator. */
function reduceBy(op: string): Reducer {
  return (backend, x, axes) => {
    const groups = axisGroups(x.shape, axes);
    const reduced = [...groups.keys()].filter((axis) => groups[axis].reduced);
    if (reduced.length === 0) return x;
    const grouped = backend.reshape(
      x,
      groups.map(({ size }) => size),
    );
    const shape = groups.filter((group) => !group.reduced).map(({ size }) => size);
    return op === 'ReduceSum'
      ? backend.emit(op, [grouped, backend.integers(reduced)], shape, { keepdims: 0 })
      : backend.emit(op, [grouped], shape, { axes: reduced, keepdims: 0 });
  };
}

/**
 * The largest or smallest elements, or NaN where there is one, which onnxruntime loses: bounded numbers have a finite sum, unless one of
 * them is NaN, and 0 times that is added.
 */
function extreme(op: 'ReduceMax' | 'ReduceMin'): Reducer {
  return (backend, x, axes) => {
    const found = reduceBy(op)(backend, x, axes);
    if (x.type !== 'float32') return found;
    const bounded = apply(backend, 'Clip', [x, backend.scalar(-1), backend.scalar(1)]);
    const sum = backend.reshape(addUp(backend, bounded, axes, false), found.shape);
    return apply(backend, 'Add', [found, apply(backend, 'Mul', [sum, backend.scalar(0)])]);
  };
}

/**
 * A kernel that reduces axes.
 *
 * @param empty what a reduction of nothing gives
 */
function reduction<A extends object>(
  name: string,
  attributesOf: (attributes: A) => ReductionAttributes,
  empty: number,
  reduce: Reducer,
): OnnxKernel {
  return arithmetic<{ x: tf.TensorInfo }, A>(name, ({ x }, attributes, backend) => {
    const { axis, keepDims } = attributesOf(attributes);
    const axes = tf.util.parseAxisParam(axis, x.shape);
    const [outShape] = tf.backend_util.computeOutAndReduceShapes(x.shape, axes);
    const shape = keepDims ? tf.backend_util.expandShapeToKeepDim(outShape, axes) : outShape;
    const value = backend.value(x);
    const reduced = reduce(backend, value, axes);
    if (value.shape.includes(0)) {
      const nothing = filled(backend, shape, empty, reduced.type === 'float32' ? 'float32' : 'int32');
      return result(backend, convert(backend, nothing, reduced.type));
    }
    return result(backend, backend.reshape(reduced, shape));
  });
}

const plain = (attributes: ReductionAttributes) => attributes;

/** Booleans reduce as integers and are booleans again. */
function ofBooleans(reduce: Reducer): Reducer {
  return (backend, x, axes) => convert(backend, reduce(backend, convert(backend, x, 'int32'), axes), 'bool');
}

/** Booleans count as integers. */
function counting(reduce: Reducer): Reducer {
  return (backend, x, axes) => reduce(backend, x.type === 'bool' ? convert(backend, x, 'int32') : x, axes);
}

function keepingType(reduce: Reducer): Reducer {
  return (backend, x, axes) => (x.type === 'bool' ? ofBooleans(reduce) : reduce)(backend, x, axes);
}

/**
 * The place of the first largest or smallest element along one axis; NaN is passed over.
 *
 * @param worst what NaN counts as
 */
function position(name: string, worst: number): OnnxKernel {
  return arithmetic<{ x: tf.TensorInfo }, { axis: number }>(name, ({ x }, { axis }, backend) => {
    const [only] = tf.util.parseAxisParam(axis, x.shape);
    const shape = x.shape.filter((_, each) => each !== only);
    if (x.shape.length === 0 || x.shape[only] === 0) return result(backend, filled(backend, shape, 0, 'int32'));
    let value = backend.value(x);
    if (value.type === 'bool') value = convert(backend, value, 'int32');
    if (value.type === 'float32') {
      const missing = apply(backend, 'IsNaN', [value], 'bool');
      value = apply(backend, 'Where', [missing, backend.scalar(worst), value], 'float32');
    }
    const place = backend.emit(name, [value], shape, { type: 'int64', axis: only, keepdims: 0 });
    return result(backend, convert(backend, place, 'int32'));
  });
}

export const reductionKernels: OnnxKernel[] = [
  reduction(
    tf.Sum,
    plain,
    0,
    counting((backend, x, axes) =>
      x.type === 'float32' ? addUp(backend, x, axes, false) : reduceBy('ReduceSum')(backend, x, axes),
    ),
  ),
  reduction(tf.Mean, plain, 0, (backend, x, axes) => addUp(backend, convert(backend, x, 'float32'), axes, true)),
  reduction(tf.Prod, plain, 1, counting(reduceBy('ReduceProd'))),
  reduction(
    tf.Max,
    ({ reductionIndices, keepDims }: tf.MaxAttrs) => ({ axis: reductionIndices, keepDims }),
    NaN,
    keepingType(extreme('ReduceMax')),
  ),
  reduction(tf.Min, plain, NaN, keepingType(extreme('ReduceMin'))),
  reduction(tf.All, plain, 0, ofBooleans(reduceBy('ReduceMin'))),
  reduction(tf.Any, plain, 0, ofBooleans(reduceBy('ReduceMax'))),
  position(tf.ArgMax, -Infinity),
  position(tf.ArgMin, Infinity),
];
