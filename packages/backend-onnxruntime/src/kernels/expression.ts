import * as tf from '@tensorflow/tfjs';
import type { OnnxRuntimeBackend } from '../backend.js';
import { kernel, type OnnxKernel } from '../kernel.js';
import { elementTypes, type AttributeValue, type ElementType } from '../onnx-model.js';
import type { Value } from '../recording.js';

/** Emits an elementwise operator; its shape is what its inputs broadcast to. */
export function apply(
  backend: OnnxRuntimeBackend,
  op: string,
  inputs: readonly Value[],
  type: ElementType = inputs[0].type,
  attributes: Readonly<Record<string, AttributeValue>> = {},
): Value {
  let { shape } = inputs[0];
  for (const input of inputs) {
    if (input.shape.length > 0 && input.shape !== shape) {
      shape = tf.backend_util.assertAndGetBroadcastShape(shape as number[], input.shape as number[]);
    }
  }
  return backend.emit(op, inputs, shape, { type, ...attributes });
}

/** Tanh or Sigmoid, kept within ±1: onnxruntime computes them as quotients of polynomials, which pass 1 by one or two units. */
export function squash(backend: OnnxRuntimeBackend, op: 'Tanh' | 'Sigmoid', x: Value): Value {
  return apply(backend, 'Clip', [apply(backend, op, [x]), backend.scalar(-1), backend.scalar(1)]);
}

/** ONNX's own conversion: to bool is `≠ 0`, to int32 truncates and is undefined for what int32 does not hold. */
export function convert(backend: OnnxRuntimeBackend, value: Value, type: ElementType): Value {
  return value.type === type ? value : apply(backend, 'Cast', [value], type, { to: elementTypes[type] });
}

/** To int32 as JavaScript does it, NaN and infinities to 0; numbers of 2³¹ and more go to 0 too. */
export function truncate(backend: OnnxRuntimeBackend, value: Value): Value {
  if (value.type !== 'float32') return convert(backend, value, 'int32');
  const fits = apply(backend, 'Less', [apply(backend, 'Abs', [value]), backend.scalar(2 ** 31)], 'bool');
  return convert(backend, apply(backend, 'Where', [fits, value, backend.scalar(0)], 'float32'), 'int32');
}

/** Converts between types as tfjs does. */
export function castTo(backend: OnnxRuntimeBackend, value: Value, type: ElementType): Value {
  return type === 'int32' ? truncate(backend, value) : convert(backend, value, type);
}

/** One number in a whole shape, which onnxruntime folds when it compiles, so that large constants never enter a key. */
export function filled(
  backend: OnnxRuntimeBackend,
  shape: readonly number[],
  value: number,
  type: 'float32' | 'int32' = 'float32',
): Value {
  return backend.emit('Expand', [backend.scalar(value, type), backend.integers(shape)], shape);
}

/**
 * A kernel that records for empty tensors too, when it makes its output with {@link result}. The cpu kernel answers for strings, and for
 * complex numbers unless asked not to.
 */
export function arithmetic<I extends object = { x: tf.TensorInfo }, A extends object = object>(
  name: string,
  record: (inputs: I, attributes: A, backend: OnnxRuntimeBackend) => tf.TensorInfo,
  { complex = false } = {},
): OnnxKernel {
  return kernel<I, A>(
    name,
    (inputs, attributes, backend) => {
      const recordable = ({ dtype }: tf.TensorInfo) => dtype !== 'string' && (complex || dtype !== 'complex64');
      return Object.values(inputs).every(recordable) ? record(inputs, attributes, backend) : undefined;
    },
    { anyTensor: true, except: complex ? 'strings' : 'strings, complex numbers' },
  );
}

/** The tensor of a value. Operators of onnxruntime that refuse empty tensors never see one: nothing is run for it. */
export function result(backend: OnnxRuntimeBackend, value: Value): tf.TensorInfo {
  return backend.output(value.shape.includes(0) ? backend.constant(new Uint8Array(0), value.shape, value.type) : value);
}
