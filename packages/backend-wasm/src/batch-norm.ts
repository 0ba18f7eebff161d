import * as tf from '@tensorflow/tfjs';
import { composed, type KernelArguments } from './workspace.js';

interface BatchNormInputs {
  x: tf.TensorInfo;
  mean: tf.TensorInfo;
  variance: tf.TensorInfo;
  offset?: tf.TensorInfo;
  scale?: tf.TensorInfo;
}

/**
 * Normalization per channel as x · a + b, a = scale / √(variance + ε), b = offset − mean · a: one pass of a 1 × 1
 * depthwise convolution with bias. Statistics that are not one per channel are left to tfjs.
 */
export function fusedBatchNorm(
  stock: (args: KernelArguments) => tf.TensorInfo,
): (args: KernelArguments) => tf.TensorInfo {
  const perChannel = composed<BatchNormInputs, { varianceEpsilon: number }>(
    (workspace, { x, mean, variance, offset, scale }, { varianceEpsilon }) => {
      const channels = x.shape[3];
      const [multiplier, bias] = [workspace.empty([1, 1, channels, 1]), workspace.empty([channels])];
      const [a, b] = [workspace.values(multiplier), workspace.values(bias)];
      const [means, variances] = [workspace.values(mean), workspace.values(variance)];
      const scales = scale && workspace.values(scale);
      const offsets = offset && workspace.values(offset);
      for (let c = 0; c < channels; c++) {
        const factor = (scales ? scales[c] : 1) / Math.sqrt(variances[c] + varianceEpsilon);
        a[c] = factor;
        b[c] = (offsets ? offsets[c] : 0) - means[c] * factor;
      }
      return workspace.run(
        'FusedDepthwiseConv2D',
        { x, filter: multiplier, bias },
        { strides: [1, 1], dilations: [1, 1], pad: 'valid', dataFormat: 'NHWC', activation: 'linear' },
      );
    },
  );
  return (args) => {
    const { x, mean, variance, offset, scale } = args.inputs as unknown as BatchNormInputs;
    const channels = x.shape[3];
    const fast =
      x.shape.length === 4 &&
      tf.util.sizeFromShape(x.shape) > 0 &&
      [mean, variance, offset, scale].every((info) => !info || (info.shape.length === 1 && info.shape[0] === channels));
    return fast ? perChannel(args) : stock(args);
  };
}
