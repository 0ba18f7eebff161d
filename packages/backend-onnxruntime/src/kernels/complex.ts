import * as tf from '@tensorflow/tfjs';
import type { OnnxRuntimeBackend } from '../backend.js';
import { kernel, type OnnxKernel } from '../kernel.js';

/** A tensor of its own with the same numbers. */
function copy(backend: OnnxRuntimeBackend, tensor: tf.TensorInfo, shape: number[]): tf.TensorInfo {
  return backend.output(backend.value({ ...tensor, shape }));
}

function part(name: string, of: 'real' | 'imag'): OnnxKernel {
  return kernel<{ input: tf.TensorInfo }>(
    name,
    ({ input }, _, backend) => copy(backend, backend.complexParts(input.dataId)[of], input.shape),
    { anyTensor: true },
  );
}

/** Kernels that take complex tensors together and apart. What computes with them runs on tfjs's cpu kernels. */
export const complexKernels: OnnxKernel[] = [
  kernel<{ real: tf.TensorInfo; imag: tf.TensorInfo }>(
    tf.Complex,
    ({ real, imag }, _, backend) =>
      backend.makeComplex(copy(backend, real, real.shape), copy(backend, imag, imag.shape)),
    { anyTensor: true },
  ),
  part(tf.Real, 'real'),
  part(tf.Imag, 'imag'),
];
