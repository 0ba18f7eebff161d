import * as tf from '@tensorflow/tfjs';
import { composed, type KernelArguments } from './workspace.js';

type Kernel = (args: KernelArguments) => tf.TensorInfo;

/** GatherV2 by copying slices. tfjs 4.22's reads beyond its tensors when `batchDims` is not 0. */
export function gatherV2(stock: Kernel): Kernel {
  const gather = composed<{ x: tf.TensorInfo; indices: tf.TensorInfo }, { axis: number; batchDims: number }>(
    (workspace, { x, indices }, { axis, batchDims }) => {
      const [along] = tf.util.parseAxisParam(axis, x.shape);
      const info = tf.backend_util.segment_util.collectGatherOpShapeInfo(
        x as tf.Tensor,
        indices as tf.Tensor,
        along,
        batchDims,
      );
      const { batchSize, outerSize, dimSize, sliceSize } = info;
      const result = workspace.empty(info.outputShape, x.dtype);
      const ids = workspace.integers(indices);
      const outside = ids.find((id) => id < 0 || id >= dimSize);
      tf.util.assert(outside === undefined, () => `GatherV2: the index value ${outside} is not in [0, ${dimSize - 1}]`);
      const perBatch = ids.length / batchSize;
      const words = workspace.words();
      const from = workspace.start(x);
      let write = workspace.start(result);
      for (let b = 0; b < batchSize; b++) {
        for (let o = 0; o < outerSize; o++) {
          const base = from + (b * outerSize + o) * dimSize * sliceSize;
          for (let i = b * perBatch; i < (b + 1) * perBatch; i++) {
            const read = base + ids[i] * sliceSize;
            for (let c = 0; c < sliceSize; c++) words[write++] = words[read + c];
          }
        }
      }
      return result;
    },
  );
  return (args) => {
    const { x, indices } = args.inputs as { x: tf.TensorInfo; indices: tf.TensorInfo };
    const plain = x.dtype === 'float32' || x.dtype === 'int32';
    return plain && indices.dtype === 'int32' ? gather(args) : stock(args);
  };
}
