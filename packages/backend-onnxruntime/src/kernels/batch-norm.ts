import * as tf from '@tensorflow/tfjs';
import { kernel, type OnnxKernel } from '../kernel.js';

interface Inputs {
  x: tf.TensorInfo;
  mean: tf.TensorInfo;
  variance: tf.TensorInfo;
  offset?: tf.TensorInfo;
  scale?: tf.TensorInfo;
}

/** x · factor + (offset − mean · factor), factor = scale / √(variance + ε): two passes over x, the rest per channel. */
export const batchNormKernels: OnnxKernel[] = [
  kernel<Inputs, tf.FusedBatchNormAttrs>(
    tf.FusedBatchNorm,
    ({ x, mean, variance, offset, scale }, { varianceEpsilon }, backend) => {
      const { shape } = variance;
      const plus = backend.emit('Add', [backend.value(variance), backend.scalar(varianceEpsilon ?? 1e-3)], shape);
      const deviation = backend.emit('Sqrt', [plus], shape);
      const factor = scale
        ? backend.emit('Div', [backend.value(scale), deviation], shape)
        : backend.emit('Reciprocal', [deviation], shape);
      const shifted = backend.emit('Mul', [backend.value(mean), factor], shape);
      const shift = offset
        ? backend.emit('Sub', [backend.value(offset), shifted], shape)
        : backend.emit('Neg', [shifted], shape);
      const scaled = backend.emit('Mul', [backend.value(x), factor], x.shape);
      return backend.output(backend.emit('Add', [scaled, shift], x.shape));
    },
  ),
];
