import * as tf from '@tensorflow/tfjs';
import type { OnnxRuntimeBackend } from '../backend.js';
import { kernel, type OnnxKernel } from '../kernel.js';
import type { Value } from '../recording.js';
import { activate } from './activation.js';
import { cast, transpose } from './structural.js';

/**
 * The product of matrices [..., M, K] and [..., K, N], either transposed, batch dimensions broadcast: [..., M, N].
 *
 * @param bias [N], added to every row
 */
export function matMul(
  backend: OnnxRuntimeBackend,
  a: Value,
  b: Value,
  transposeA = false,
  transposeB = false,
  bias?: Value,
): Value {
  tf.util.assert(
    a.shape.length >= 2 && b.shape.length >= 2,
    () => `Error in matMul: both must be of rank 2 at least, got ranks ${a.shape.length} and ${b.shape.length}.`,
  );
  const [m, k] = lastTwo(a.shape, transposeA);
  const [kOfB, n] = lastTwo(b.shape, transposeB);
  tf.util.assert(
    k === kOfB,
    () =>
      `Error in matMul: inner shapes (${k}) and (${kOfB}) of Tensors with shapes ${a.shape} and ${b.shape} ` +
      `and transposeA=${transposeA} and transposeB=${transposeB} must match.`,
  );
  const batch = tf.backend_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const shape = [...batch, m, n];
  const batchOf = ({ shape }: Value) => tf.util.sizeFromShape(shape.slice(0, -2));
  // One matrix on the right is one product for all batches; onnxruntime's Gemm reads transposed matrices as they lie.
  if (a.type === 'float32' && batchOf(b) === 1 && (batchOf(a) === 1 || !transposeA) && m * n * k > 0) {
    const rows = backend.reshape(a, transposeA ? [k, m] : [batchOf(a) * m, k]);
    const right = backend.reshape(b, b.shape.slice(-2));
    const product = backend.emit('Gemm', bias ? [rows, right, bias] : [rows, right], [batchOf(a) * m, n], {
      transA: Number(transposeA),
      transB: Number(transposeB),
    });
    return backend.reshape(product, shape);
  }
  const upright = (value: Value, transposed: boolean) => {
    const { length } = value.shape;
    const axes = value.shape.map((_, axis) => axis);
    return transposed ? transpose(backend, value, [...axes.slice(0, -2), length - 1, length - 2]) : value;
  };
  const product = backend.emit('MatMul', [upright(a, transposeA), upright(b, transposeB)], shape);
  return bias ? backend.emit('Add', [product, bias], shape) : product;
}

function lastTwo(shape: readonly number[], transposed: boolean): [number, number] {
  const [rows, columns] = shape.slice(-2);
  return transposed ? [columns, rows] : [rows, columns];
}

/** The matrices as ONNX multiplies them: float32, or int32 when both are. */
function numbers(backend: OnnxRuntimeBackend, tensors: tf.TensorInfo[]): Value[] {
  const values = tensors.map((tensor) => backend.value(tensor));
  const type = values.every((value) => value.type === 'int32') ? 'int32' : 'float32';
  return values.map((value) => cast(backend, value, type));
}

interface FusedInputs {
  a: tf.TensorInfo;
  b: tf.TensorInfo;
  bias?: tf.TensorInfo;
  preluActivationWeights?: tf.TensorInfo;
}

export const matMulKernels: OnnxKernel[] = [
  kernel<{ a: tf.TensorInfo; b: tf.TensorInfo }, tf.BatchMatMulAttrs>(
    tf.BatchMatMul,
    ({ a, b }, { transposeA, transposeB }, backend) => {
      const [left, right] = numbers(backend, [a, b]);
      return backend.output(matMul(backend, left, right, transposeA, transposeB));
    },
  ),
  kernel<FusedInputs, tf._FusedMatMulAttrs>(
    tf._FusedMatMul,
    ({ a, b, bias, preluActivationWeights }, attributes, backend) => {
      const { transposeA, transposeB, activation, leakyreluAlpha } = attributes;
      const [left, right] = numbers(backend, [a, b]);
      const added = bias && cast(backend, backend.value(bias), left.type);
      // A bias of another shape than [N] broadcasts like any sum.
      const row = added?.shape.length === 1 ? added : undefined;
      let result = matMul(backend, left, right, transposeA, transposeB, row);
      if (added && !row) result = backend.emit('Add', [result, added], result.shape);
      const alpha = preluActivationWeights && backend.value(preluActivationWeights);
      return backend.output(activate(backend, result, activation, alpha, leakyreluAlpha));
    },
  ),
];
