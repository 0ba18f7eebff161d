import * as tf from '@tensorflow/tfjs';
import type { OnnxRuntimeBackend } from '../backend.js';
import type { OnnxKernel } from '../kernel.js';
import type { Value } from '../recording.js';
import { apply, arithmetic, convert, result } from './expression.js';

function numeric(backend: OnnxRuntimeBackend, x: tf.TensorInfo): Value {
  const value = backend.value(x);
  return value.type === 'bool' ? convert(backend, value, 'int32') : value;
}

/** Moves a value along an axis, ones coming in at the end it leaves; backwards for a negative distance. */
function shifted(backend: OnnxRuntimeBackend, x: Value, axis: number, distance: number): Value {
  const begin = x.shape.map((_, each) => (each === axis ? distance : 0));
  const pads = backend.integers([...begin, ...begin.map((size) => -size)]);
  return backend.emit('Pad', [x, pads, backend.scalar(1, x.type as 'float32')], x.shape);
}

export const cumulativeKernels: OnnxKernel[] = [
  arithmetic<{ x: tf.TensorInfo }, tf.CumsumAttrs>(tf.Cumsum, ({ x }, { axis, exclusive, reverse }, backend) => {
    const value = numeric(backend, x);
    const along = backend.constant(BigInt64Array.of(BigInt(axis)), [], 'int64');
    const attributes = { exclusive: Number(exclusive), reverse: Number(reverse) };
    return result(backend, backend.emit('CumSum', [value, along], value.shape, attributes));
  }),
  // ONNX has no such operator: the products of 2, 4, 8 … neighbors give those of all, in log₂ of the axis's length.
  arithmetic<{ x: tf.TensorInfo }, tf.CumprodAttrs>(tf.Cumprod, ({ x }, { axis, exclusive, reverse }, backend) => {
    const direction = reverse ? -1 : 1;
    let value = numeric(backend, x);
    if (exclusive) value = shifted(backend, value, axis, direction);
    for (let reach = 1; reach < x.shape[axis]; reach *= 2) {
      value = apply(backend, 'Mul', [value, shifted(backend, value, axis, reach * direction)]);
    }
    return result(backend, value);
  }),
];
