import * as tf from '@tensorflow/tfjs';
import type { OnnxRuntimeBackend } from '../backend.js';
import { kernel, type OnnxKernel } from '../kernel.js';
import type { Value } from '../recording.js';
import { fused } from './convolution.js';
import {
  convolutionInfo,
  onnxTransposedWindow,
  onnxWindow,
  readImages,
  writeImages,
  type ConvolutionAttributes,
  type ConvolutionInfo,
} from './convolution-info.js';
import { cast, channelsFirst, channelsLast, sumRows, transpose } from './structural.js';

interface Inputs {
  x: tf.TensorInfo;
  filter: tf.TensorInfo;
  bias?: tf.TensorInfo;
  preluActivationWeights?: tf.TensorInfo;
}
type Attributes = ConvolutionAttributes & { activation?: string; leakyreluAlpha?: number };
type Gradient = ConvolutionAttributes & { inputShape: number[]; filterShape: number[] };

/** Filter [h, w, C, M] → [C · M, 1, h, w], one group a channel. */
function grouped(backend: OnnxRuntimeBackend, filter: Value): Value {
  const [height, width, channels, multiplier] = filter.shape;
  return backend.reshape(transpose(backend, filter, [2, 3, 0, 1]), [channels * multiplier, 1, height, width]);
}

function dilations(info: ConvolutionInfo): number[] {
  return [info.dilationHeight, info.dilationWidth];
}

function recordDepthwise(inputs: Inputs, attributes: Attributes, backend: OnnxRuntimeBackend): tf.TensorInfo {
  const { x, filter } = inputs;
  const info = convolutionInfo(x.shape, filter.shape, attributes, true);
  const { batchSize, inChannels, outChannels, outHeight, outWidth } = info;
  const images = channelsFirst(backend, readImages(backend, x));
  const kernels = grouped(backend, cast(backend, backend.value(filter), 'float32'));
  const y = fused(backend, inputs, attributes, outChannels, (bias, after = (value) => value) => {
    const result = backend.emit(
      'Conv',
      bias ? [images, kernels, bias] : [images, kernels],
      [batchSize, outChannels, outHeight, outWidth],
      { ...onnxWindow(info), dilations: dilations(info), group: inChannels },
    );
    return channelsLast(backend, after(result));
  });
  return writeImages(backend, y, 'NHWC', x.dtype);
}

/** dx [B, H, W, C] of dy [B, H′, W′, C · M] and filter [h, w, C, M]. */
function inputGradient(backend: OnnxRuntimeBackend, dy: Value, filter: Value, info: ConvolutionInfo): Value {
  const { padInfo, inChannels, inHeight, inWidth, outHeight, outWidth } = info;
  const [height, width] = [info.effectiveFilterHeight, info.effectiveFilterWidth];
  const [top, left] = [height - 1 - padInfo.top, width - 1 - padInfo.left];
  const pads = [top, left, inHeight - outHeight + height - 1 - top, inWidth - outWidth + width - 1 - left];
  // With stride 1 a convolution with the flipped filter, twice as fast.
  if (info.strideHeight * info.strideWidth === 1 && pads.every((pad) => pad >= 0)) {
    const taps = transpose(backend, filter, [2, 3, 0, 1]);
    const [backwards, end, axes] = [
      [-1, -1],
      [-1 - taps.shape[2], -1 - taps.shape[3]],
      [2, 3],
    ].map((list) => backend.integers(list));
    const flipped = backend.emit('Slice', [taps, backwards, end, axes, backwards], taps.shape);
    const dx = backend.emit(
      'Conv',
      [channelsFirst(backend, dy), flipped],
      [info.batchSize, inChannels, inHeight, inWidth],
      { group: inChannels, kernel_shape: taps.shape.slice(2), dilations: dilations(info), pads },
    );
    return channelsLast(backend, dx);
  }
  const dx = backend.emit(
    'ConvTranspose',
    [channelsFirst(backend, dy), grouped(backend, filter)],
    [info.batchSize, info.inChannels, info.inHeight, info.inWidth],
    { ...onnxTransposedWindow(info), group: info.inChannels },
  );
  return channelsLast(backend, dx);
}

/**
 * dW [h, w, C, M] of x [B, H, W, C] and dy [B, H′, W′, C · M]: every image and channel is a group of its own that is convolved
 * with its gradient; then the images are summed.
 */
function filterGradient(backend: OnnxRuntimeBackend, x: Value, dy: Value, info: ConvolutionInfo): Value {
  const { batchSize, inChannels, outChannels, inHeight, inWidth, outHeight, outWidth, filterHeight, filterWidth } =
    info;
  const groups = batchSize * inChannels;
  const images = backend.reshape(channelsFirst(backend, x), [1, groups, inHeight, inWidth]);
  const gradients = backend.reshape(channelsFirst(backend, dy), [batchSize * outChannels, 1, outHeight, outWidth]);
  const { top, left } = info.padInfo;
  const far = (filter: number, dilation: number, out: number, stride: number, before: number, size: number) =>
    (filter - 1) * dilation + (out - 1) * stride + 1 - before - size;
  const bottom = far(filterHeight, info.dilationHeight, outHeight, info.strideHeight, top, inHeight);
  const right = far(filterWidth, info.dilationWidth, outWidth, info.strideWidth, left, inWidth);
  const each = backend.emit(
    'Conv',
    [images, gradients],
    // Rows and columns that no output saw would only lengthen the result; they are cut off below.
    [
      1,
      batchSize * outChannels,
      filterHeight + surplus(bottom, info.dilationHeight),
      filterWidth + surplus(right, info.dilationWidth),
    ],
    {
      group: groups,
      kernel_shape: [outHeight, outWidth],
      strides: dilations(info),
      dilations: [info.strideHeight, info.strideWidth],
      pads: [top, left, Math.max(0, bottom), Math.max(0, right)],
    },
  );
  const cut = [1, batchSize * outChannels, filterHeight, filterWidth];
  const exact =
    each.shape[2] === filterHeight && each.shape[3] === filterWidth
      ? each
      : backend.emit(
          'Slice',
          [each, backend.integers([0, 0]), backend.integers([filterHeight, filterWidth]), backend.integers([2, 3])],
          cut,
        );
  const taps = filterHeight * filterWidth;
  const sum = sumRows(backend, backend.reshape(exact, [batchSize, outChannels * taps]));
  const split = backend.reshape(sum, [inChannels, outChannels / inChannels, filterHeight, filterWidth]);
  return transpose(backend, split, [2, 3, 0, 1]);
}

/** Steps of the window that rows left over at the end allow. */
function surplus(far: number, dilation: number): number {
  return far < 0 ? Math.floor(-far / dilation) : 0;
}

export const depthwiseKernels: OnnxKernel[] = [
  kernel<Inputs, Attributes>(tf.DepthwiseConv2dNative, recordDepthwise),
  kernel<Inputs, Attributes>(tf.FusedDepthwiseConv2D, recordDepthwise),
  kernel<{ dy: tf.TensorInfo; filter: tf.TensorInfo }, Gradient>(
    tf.DepthwiseConv2dNativeBackpropInput,
    ({ dy, filter }, attributes, backend) => {
      const info = convolutionInfo(attributes.inputShape, filter.shape, attributes, true);
      const kernels = cast(backend, backend.value(filter), 'float32');
      return backend.output(inputGradient(backend, readImages(backend, dy), kernels, info));
    },
  ),
  kernel<{ x: tf.TensorInfo; dy: tf.TensorInfo }, Gradient>(
    tf.DepthwiseConv2dNativeBackpropFilter,
    ({ x, dy }, attributes, backend) => {
      const info = convolutionInfo(x.shape, attributes.filterShape, attributes, true);
      return backend.output(filterGradient(backend, readImages(backend, x), readImages(backend, dy), info));
    },
  ),
];
