import * as tf from '@tensorflow/tfjs';
import { composed, type KernelArguments, type Workspace } from './workspace.js';

interface MatMulAttributes {
  transposeA: boolean;
  transposeB: boolean;
}

/**
 * BatchMatMul whose transposed operands are written out first and whose batch is walked matrix by matrix: XNNPACK takes
 * only single, untransposed products, and tfjs does all others with plain loops.
 */
export function batchMatMul(stock: (args: KernelArguments) => tf.TensorInfo): (args: KernelArguments) => tf.TensorInfo {
  const separate = (backend: unknown) =>
    composed<{ a: tf.TensorInfo; b: tf.TensorInfo }, MatMulAttributes>(
      (workspace, { a, b }, { transposeA, transposeB }) => {
        const left = transposeA ? transposed(workspace, a) : a;
        const right = transposeB ? transposed(workspace, b) : b;
        const multiply = (first: tf.TensorInfo, second: tf.TensorInfo) =>
          workspace.own(
            stock({ inputs: { a: first, b: second }, attrs: { transposeA: false, transposeB: false }, backend }),
          );
        const [leftBatch, rightBatch] = [a, b].map(({ shape }) => tf.util.sizeFromShape(shape.slice(0, -2)));
        if (leftBatch === 1 && rightBatch === 1) return multiply(left, right);

        const [rows, inner] = left.shape.slice(-2);
        const columns = right.shape[right.shape.length - 1];
        const batch = left.shape.slice(0, -2);
        // one matrix on the right for the whole batch: one tall product
        if (rightBatch === 1) {
          const product = multiply(
            workspace.reshape(left, [leftBatch * rows, inner]),
            workspace.reshape(right, [inner, columns]),
          );
          return workspace.reshape(product, [...batch, rows, columns]);
        }
        const result = workspace.empty([...batch, rows, columns]);
        for (let i = 0; i < leftBatch; i++) {
          const product = multiply(
            workspace.view(left, i * rows * inner, [rows, inner]),
            workspace.view(right, i * inner * columns, [inner, columns]),
          );
          workspace.values(result).set(workspace.values(product), i * rows * columns);
          workspace.free(product);
        }
        return result;
      },
    );
  return (args) => {
    const { a, b } = args.inputs as unknown as { a: tf.TensorInfo; b: tf.TensorInfo };
    const size = tf.util.sizeFromShape;
    const [batchA, batchB] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
    const alike = tf.util.arraysEqual(batchA, batchB) || (size(batchB) === 1 && batchA.length >= batchB.length);
    const { transposeA, transposeB } = args.attrs as MatMulAttributes;
    const plain = !transposeA && !transposeB && size(batchA) === 1 && size(batchB) === 1;
    const float = a.dtype === 'float32' && b.dtype === 'float32';
    const innerA = a.shape[a.shape.length - (transposeA ? 2 : 1)];
    const innerB = b.shape[b.shape.length - (transposeB ? 1 : 2)];
    if (plain || !float || !alike || innerA !== innerB || size(a.shape) === 0 || size(b.shape) === 0)
      return stock(args);
    return separate(args.backend)(args);
  };
}

function transposed(workspace: Workspace, x: tf.TensorInfo): tf.TensorInfo {
  const axes = x.shape.map((_, i) => i);
  return workspace.run('Transpose', { x }, { perm: [...axes.slice(0, -2), axes.length - 1, axes.length - 2] });
}
