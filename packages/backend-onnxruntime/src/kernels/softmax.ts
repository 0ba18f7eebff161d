import * as tf from '@tensorflow/tfjs';
import type { OnnxKernel } from '../kernel.js';
import { apply, arithmetic, convert, result } from './expression.js';

export const softmaxKernels: OnnxKernel[] = [
  arithmetic<{ logits: tf.TensorInfo }, tf.SoftmaxAttrs>(tf.Softmax, ({ logits }, { dim }, backend) => {
    const value = convert(backend, backend.value(logits), 'float32');
    const axis = dim < 0 ? dim + logits.shape.length : dim;
    return result(backend, apply(backend, 'Softmax', [value], 'float32', { axis }));
  }),
];
