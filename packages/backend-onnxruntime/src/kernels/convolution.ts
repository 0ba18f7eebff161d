import * as tf from '@tensorflow/tfjs';
import type { OnnxRuntimeBackend } from '../backend.js';
import { kernel, type OnnxKernel } from '../kernel.js';
import type { Value } from '../recording.js';
import { activate } from './activation.js';
import {
  convolutionInfo,
  forwardWindows,
  isPointwise,
  lastShape,
  onnxWindow,
  readImages,
  seenPart,
  writeImages,
  type ConvolutionAttributes,
  type ConvolutionInfo,
} from './convolution-info.js';
import { matMul } from './mat-mul.js';
import { patches } from './patches.js';
import { cast, channelsFirst, channelsLast, transpose } from './structural.js';

/**
 * x [B, H, W, C] with filter [h, w, C, K], + bias [K]: [B, H′, W′, K]. Single pixels are a product; everything else is ONNX's
 * Conv between two transposes, most of which onnxruntime takes out again.
 */
export function convolve(
  backend: OnnxRuntimeBackend,
  x: Value,
  filter: Value,
  info: ConvolutionInfo,
  bias?: Value,
  after: (y: Value) => Value = (y) => y,
): Value {
  const { batchSize, outHeight, outWidth, inChannels, outChannels, dilationHeight, dilationWidth } = info;
  if (isPointwise(info)) {
    const pixels =
      info.strideHeight * info.strideWidth === 1
        ? backend.reshape(x, [batchSize * outHeight * outWidth, inChannels])
        : patches(backend, x, forwardWindows(info));
    const matrix = backend.reshape(filter, [inChannels, outChannels]);
    const product = after(matMul(backend, pixels, matrix, false, false, bias));
    return backend.reshape(product, [batchSize, outHeight, outWidth, outChannels]);
  }
  const images = channelsFirst(backend, seenPart(backend, x, info));
  const kernels = transpose(backend, filter, [3, 2, 0, 1]);
  const y = backend.emit(
    'Conv',
    bias ? [images, kernels, bias] : [images, kernels],
    [batchSize, outChannels, outHeight, outWidth],
    { ...onnxWindow(info), dilations: [dilationHeight, dilationWidth] },
  );
  return channelsLast(backend, after(y));
}

interface FusedAttributes extends ConvolutionAttributes {
  activation?: string;
  leakyreluAlpha?: number;
}

interface FusedInputs {
  x: tf.TensorInfo;
  filter: tf.TensorInfo;
  bias?: tf.TensorInfo;
  preluActivationWeights?: tf.TensorInfo;
}

/** Bias and activation of a fused convolution; inside `compute` where they fit, else after it. */
export function fused(
  backend: OnnxRuntimeBackend,
  { bias, preluActivationWeights }: FusedInputs,
  { activation, leakyreluAlpha, dataFormat }: FusedAttributes,
  channels: number,
  compute: (bias: Value | undefined, after: ((y: Value) => Value) | undefined) => Value,
): Value {
  const added = bias && cast(backend, backend.value(bias), 'float32');
  const inner = added && added.shape.length === 1 && added.shape[0] === channels;
  const given = preluActivationWeights && backend.value(preluActivationWeights);
  // Everything here is channels-last; a list of one number per channel fits either way.
  const alpha =
    given && dataFormat === 'NCHW' && given.shape.length >= 3
      ? transpose(backend, given, given.shape.length === 4 ? [0, 2, 3, 1] : [1, 2, 0])
      : given;
  const finish = (y: Value) => activate(backend, y, activation, alpha, leakyreluAlpha);
  if ((!added || inner) && !preluActivationWeights) return compute(added, finish);
  const y = compute(inner ? added : undefined, undefined);
  return finish(added && !inner ? backend.emit('Add', [y, added], y.shape) : y);
}

function recordConvolution(
  inputs: FusedInputs,
  attributes: FusedAttributes,
  backend: OnnxRuntimeBackend,
): tf.TensorInfo {
  const { x, filter } = inputs;
  const { dataFormat } = attributes;
  const info = convolutionInfo(lastShape(x.shape, dataFormat), filter.shape, attributes);
  const images = readImages(backend, x, dataFormat);
  const kernels = cast(backend, backend.value(filter), 'float32');
  const y = fused(backend, inputs, attributes, info.outChannels, (bias, after) =>
    convolve(backend, images, kernels, info, bias, after),
  );
  return writeImages(backend, y, dataFormat, x.dtype);
}

export const convolutionKernels: OnnxKernel[] = [
  kernel<FusedInputs, ConvolutionAttributes>(tf.Conv2D, recordConvolution),
  kernel<FusedInputs, FusedAttributes>(tf.FusedConv2D, recordConvolution),
];
