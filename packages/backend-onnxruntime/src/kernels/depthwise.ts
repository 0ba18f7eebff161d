import * as tf from '@tensorflow/tfjs';
import type { OnnxRuntimeBackend } from '../backend.js';
import { kernel, type OnnxKernel } from '../kernel.js';
import type { Value } from '../recording.js';
import { fused } from './convolution.js';
import { convolutionInfo, readImages, writeImages, type ConvolutionAttributes } from './convolution-info.js';
import { groupedConvolve, groupedFilterGradient, groupedInputGradient } from './grouped-convolution.js';
import { cast } from './structural.js';

interface Inputs {
  x: tf.TensorInfo;
  filter: tf.TensorInfo;
  bias?: tf.TensorInfo;
  preluActivationWeights?: tf.TensorInfo;
}
type Attributes = ConvolutionAttributes & { activation?: string; leakyreluAlpha?: number };
type Gradient = ConvolutionAttributes & { inputShape: number[]; filterShape: number[] };

/** Filter [h, w, C, M] as that of a grouped convolution with a group a channel: [h, w, 1, C · M]. */
function asGrouped(backend: OnnxRuntimeBackend, filter: tf.TensorInfo): Value {
  const [height, width, channels, multiplier] = filter.shape;
  const value = cast(backend, backend.value(filter), 'float32');
  return backend.reshape(value, [height, width, 1, channels * multiplier]);
}

function recordDepthwise(inputs: Inputs, attributes: Attributes, backend: OnnxRuntimeBackend): tf.TensorInfo {
  const { x, filter } = inputs;
  const info = convolutionInfo(x.shape, filter.shape, attributes, true);
  const images = readImages(backend, x);
  const taps = asGrouped(backend, filter);
  const y = fused(backend, inputs, attributes, info.outChannels, (bias, after) =>
    groupedConvolve(backend, images, taps, info, info.inChannels, bias, after),
  );
  return writeImages(backend, y, 'NHWC', x.dtype);
}

export const depthwiseKernels: OnnxKernel[] = [
  kernel<Inputs, Attributes>(tf.DepthwiseConv2dNative, recordDepthwise),
  kernel<Inputs, Attributes>(tf.FusedDepthwiseConv2D, recordDepthwise),
  kernel<{ dy: tf.TensorInfo; filter: tf.TensorInfo }, Gradient>(
    tf.DepthwiseConv2dNativeBackpropInput,
    ({ dy, filter }, attributes, backend) => {
      const info = convolutionInfo(attributes.inputShape, filter.shape, attributes, true);
      const taps = asGrouped(backend, filter);
      return backend.output(groupedInputGradient(backend, readImages(backend, dy), taps, info, info.inChannels));
    },
  ),
  kernel<{ x: tf.TensorInfo; dy: tf.TensorInfo }, Gradient>(
    tf.DepthwiseConv2dNativeBackpropFilter,
    ({ x, dy }, attributes, backend) => {
      const { filterShape } = attributes;
      const info = convolutionInfo(x.shape, filterShape, attributes, true);
      const [images, gradients] = [readImages(backend, x), readImages(backend, dy)];
      const dFilter = groupedFilterGradient(backend, images, gradients, info, info.inChannels);
      return backend.output(backend.reshape(dFilter, filterShape));
    },
  ),
];
