import * as tf from '@tensorflow/tfjs';
import type { OnnxRuntimeBackend } from './backend.js';

type CpuBackend = tf.KernelBackend & {
  write(values: tf.backend_util.BackendValues, shape: number[], dtype: string): object;
};

/**
 * Runs one kernel on tfjs's cpu backend: runs what is recorded, copies the inputs there and the results back. Each use is counted
 * by name, or as the caller says.
 *
 * @param inputs by name, or an array for the kernels that take one (Concat, Pack, AddN, Einsum)
 * @throws Error when tfjs has no cpu kernel of that name
 */
export function runOnCpu(
  name: string,
  inputs: tf.NamedTensorInfoMap | tf.TensorInfo[],
  attrs: tf.NamedAttrMap | undefined,
  onnx: OnnxRuntimeBackend,
  countedAs = name,
): tf.TensorInfo | tf.TensorInfo[] {
  const kernelOf = (kernel: string) => {
    const found = tf.getKernel(kernel, 'cpu');
    if (!found) throw new Error(`${kernel}: neither the onnxruntime backend nor tfjs's cpu backend has this kernel`);
    return found.kernelFunc;
  };
  const run = kernelOf(name);
  const cpu = tf.findBackend('cpu') as CpuBackend;
  onnx.fallbacks.set(countedAs, (onnx.fallbacks.get(countedAs) ?? 0) + 1);
  const made = new Set<object>();

  const toCpu = (tensor: tf.TensorInfo): tf.TensorInfo => {
    const { shape, dtype } = tensor;
    let result: tf.TensorInfo;
    if (dtype === 'complex64') {
      const { real, imag } = onnx.complexParts(tensor.dataId);
      // The parts are flat to the backend; the tensor may have been reshaped since.
      const parts = { real: toCpu({ ...real, shape }), imag: toCpu({ ...imag, shape }) };
      result = kernelOf('Complex')({ inputs: parts, backend: cpu }) as tf.TensorInfo;
    } else {
      result = { dataId: cpu.write(onnx.readSync(tensor.dataId), shape, dtype), shape, dtype };
    }
    made.add(result.dataId);
    // The gradients of dilation2d look at the rank, which a TensorInfo does not have.
    return { ...result, rank: shape.length } as tf.TensorInfo;
  };
  const fromCpu = (tensor: tf.TensorInfo): tf.TensorInfo => {
    const { shape, dtype } = tensor;
    made.add(tensor.dataId);
    if (dtype === 'complex64') {
      const part = (kernel: 'Real' | 'Imag') =>
        fromCpu(kernelOf(kernel)({ inputs: { input: tensor }, backend: cpu }) as tf.TensorInfo);
      return onnx.makeComplex(part('Real'), part('Imag'));
    }
    return { dataId: onnx.write(cpu.readSync(tensor.dataId), shape, dtype), shape, dtype };
  };

  const moved = Array.isArray(inputs)
    ? inputs.map(toCpu)
    : Object.fromEntries(
        Object.entries(inputs).map(([key, tensor]) => [
          key,
          Array.isArray(tensor) ? tensor.map(toCpu) : tensor && toCpu(tensor as tf.TensorInfo),
        ]),
      );
  const began = performance.now();
  try {
    const result = run({ inputs: moved as tf.NamedTensorInfoMap, attrs, backend: cpu });
    return Array.isArray(result) ? result.map(fromCpu) : fromCpu(result);
  } finally {
    onnx.fallbackMilliseconds += performance.now() - began;
    for (const dataId of made) cpu.disposeData(dataId, true);
  }
}
