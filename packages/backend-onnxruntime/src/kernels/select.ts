import * as tf from '@tensorflow/tfjs';
import type { OnnxKernel } from '../kernel.js';
import { apply, arithmetic, convert, result } from './expression.js';

type SelectTensors = { condition: tf.TensorInfo; t: tf.TensorInfo; e: tf.TensorInfo };

export const selectKernels: OnnxKernel[] = [
  arithmetic<SelectTensors>(tf.Select, ({ condition, t, e }, _, backend) => {
    const type = tf.upcastType(t.dtype, e.dtype) as 'float32' | 'int32' | 'bool';
    // A condition of rank 1 chooses among rows.
    const shape =
      condition.shape.length === 1 && t.shape.length > 1
        ? [condition.shape[0], ...t.shape.slice(1).fill(1)]
        : condition.shape;
    const where = convert(backend, backend.reshape(backend.value(condition), shape), 'bool');
    const [yes, no] = [t, e].map((tensor) => convert(backend, backend.value(tensor), type));
    if (type !== 'bool') return result(backend, apply(backend, 'Where', [where, yes, no], type));
    // onnxruntime has no Where of booleans.
    const chosen = apply(backend, 'And', [where, yes]);
    const rest = apply(backend, 'And', [apply(backend, 'Not', [where]), no]);
    return result(backend, apply(backend, 'Or', [chosen, rest]));
  }),
];
