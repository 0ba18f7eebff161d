import * as tf from '@tensorflow/tfjs';
import type { OnnxRuntimeBackend } from '../backend.js';
import type { OnnxKernel } from '../kernel.js';
import type { Value } from '../recording.js';
import { apply, arithmetic, convert, result } from './expression.js';

type Binary = { a: tf.TensorInfo; b: tf.TensorInfo };

/** A comparison in the type of the first input; booleans are ordered as 0 and 1. */
function comparison(name: string, record: (backend: OnnxRuntimeBackend, inputs: Value[]) => Value): OnnxKernel {
  return arithmetic<Binary>(name, ({ a, b }, _, backend) => {
    const type = a.dtype === 'float32' ? 'float32' : 'int32';
    const inputs = [backend.value(a), backend.value(b)].map((value) => convert(backend, value, type));
    return result(backend, record(backend, inputs));
  });
}

function operator(name: string, op: string): OnnxKernel {
  return comparison(name, (backend, inputs) => apply(backend, op, inputs, 'bool'));
}

function logical(name: string, op: string): OnnxKernel {
  return arithmetic<Binary>(name, ({ a, b }, _, backend) => {
    const inputs = [backend.value(a), backend.value(b)].map((value) => convert(backend, value, 'bool'));
    return result(backend, apply(backend, op, inputs));
  });
}

export const comparisonKernels: OnnxKernel[] = [
  operator(tf.Equal, 'Equal'),
  operator(tf.Greater, 'Greater'),
  operator(tf.GreaterEqual, 'GreaterOrEqual'),
  operator(tf.Less, 'Less'),
  operator(tf.LessEqual, 'LessOrEqual'),
  // Of NaN too: it equals nothing.
  comparison(tf.NotEqual, (backend, inputs) => apply(backend, 'Not', [apply(backend, 'Equal', inputs, 'bool')])),
  logical(tf.LogicalAnd, 'And'),
  logical(tf.LogicalOr, 'Or'),
  arithmetic(tf.LogicalNot, ({ x }, _, backend) =>
    result(backend, apply(backend, 'Not', [convert(backend, backend.value(x), 'bool')])),
  ),
];
