import * as tf from '@tensorflow/tfjs';
import type { OnnxRuntimeBackend } from '../backend.js';
import { kernel, type OnnxKernel } from '../kernel.js';
import type { Value } from '../recording.js';
import {
  backwardWindows,
  convolutionInfo,
  forwardWindows,
  isPointwise,
  lastShape,
  readImages,
  transposedConvolution,
  writeImages,
  type ConvolutionAttributes,
  type ConvolutionInfo,
} from './convolution-info.js';
import { matMul } from './mat-mul.js';
import { patches } from './patches.js';
import { cast, transpose } from './structural.js';

/** Patches of output gradients that a gradient already took, for the other one: by gradient and what its windows see. */
const taken = new WeakMap<Value, Map<string, Value>>();

function gradientPatches(backend: OnnxRuntimeBackend, dy: Value, info: ConvolutionInfo): Value {
  const windows = backwardWindows(info);
  const known = taken.get(dy) ?? new Map<string, Value>();
  taken.set(dy, known);
  const key = JSON.stringify(windows);
  const result = known.get(key) ?? patches(backend, dy, windows);
  known.set(key, result);
  return result;
}

function hasGradientPatches(dy: Value, info: ConvolutionInfo): boolean {
  return taken.get(dy)?.has(JSON.stringify(backwardWindows(info))) ?? false;
}

/** tf.conv2dTranspose may ask for fewer pixels than its input would give: the rest of the input is left out, as on cpu. */
function cropped(backend: OnnxRuntimeBackend, dy: Value, { outHeight, outWidth }: ConvolutionInfo): Value {
  const [batch, height, width, channels] = dy.shape;
  if (height <= outHeight && width <= outWidth) return dy;
  return backend.emit(
    'Slice',
    [dy, backend.integers([0, 0]), backend.integers([outHeight, outWidth]), backend.integers([1, 2])],
    [batch, outHeight, outWidth, channels],
  );
}

/** dx [B, H, W, C] of dy [B, H′, W′, K] and filter [h, w, C, K]. */
export function inputGradient(backend: OnnxRuntimeBackend, dy: Value, filter: Value, info: ConvolutionInfo): Value {
  const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth, outChannels, filterHeight, filterWidth } =
    info;
  const shape = [batchSize, inHeight, inWidth, inChannels];
  const strided = info.strideHeight * info.strideWidth > 1;
  if (isPointwise(info)) {
    const rows = backend.reshape(dy, [batchSize * outHeight * outWidth, outChannels]);
    const matrix = backend.reshape(filter, [inChannels, outChannels]);
    const product = matMul(backend, rows, matrix, false, true);
    if (!strided) return backend.reshape(product, shape);
    const pixels = backend.reshape(product, [batchSize, outHeight, outWidth, inChannels]);
    return backend.reshape(patches(backend, pixels, backwardWindows(info)), shape);
  }
  if (!strided) {
    const taps = filterHeight * filterWidth;
    const columns = transpose(backend, filter, [0, 1, 3, 2]);
    const matrix = backend.reshape(columns, [taps * outChannels, inChannels]);
    return backend.reshape(matMul(backend, gradientPatches(backend, dy, info), matrix), shape);
  }
  return transposedConvolution(backend, dy, transpose(backend, filter, [3, 2, 0, 1]), info);
}

/** dW [h, w, C, K] of x [B, H, W, C] and dy [B, H′, W′, K]. */
export function filterGradient(backend: OnnxRuntimeBackend, x: Value, dy: Value, info: ConvolutionInfo): Value {
  const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth, outChannels, filterHeight, filterWidth } =
    info;
  // Patches of few channels are cheaper taken anew than those of the gradient are to multiply with.
  if (2 * inChannels > outChannels && hasGradientPatches(dy, info)) {
    // xᵀ · patches: [C, h · w · K]
    const pixels = backend.reshape(x, [batchSize * inHeight * inWidth, inChannels]);
    const product = matMul(backend, pixels, gradientPatches(backend, dy, info), true);
    const split = backend.reshape(product, [inChannels, filterHeight, filterWidth, outChannels]);
    return transpose(backend, split, [1, 2, 0, 3]);
  }
  const rows = backend.reshape(dy, [batchSize * outHeight * outWidth, outChannels]);
  const pixels =
    isPointwise(info) && info.strideHeight * info.strideWidth === 1
      ? backend.reshape(x, [batchSize * inHeight * inWidth, inChannels])
      : patches(backend, x, forwardWindows(info));
  return backend.reshape(matMul(backend, pixels, rows, true), info.filterShape);
}

type InputGradient = ConvolutionAttributes & { inputShape: number[] };
type FilterGradient = ConvolutionAttributes & { filterShape: number[] };

export const convolutionGradientKernels: OnnxKernel[] = [
  kernel<{ dy: tf.TensorInfo; filter: tf.TensorInfo }, InputGradient>(
    tf.Conv2DBackpropInput,
    ({ dy, filter }, attributes, backend) => {
      const { dataFormat, inputShape } = attributes;
      const info = convolutionInfo(lastShape(inputShape, dataFormat), filter.shape, { ...attributes, dilations: 1 });
      const kernels = cast(backend, backend.value(filter), 'float32');
      const dx = inputGradient(backend, cropped(backend, readImages(backend, dy, dataFormat), info), kernels, info);
      return writeImages(backend, dx, dataFormat);
    },
  ),
  kernel<{ x: tf.TensorInfo; dy: tf.TensorInfo }, FilterGradient>(
    tf.Conv2DBackpropFilter,
    ({ x, dy }, attributes, backend) => {
      const { dataFormat, filterShape } = attributes;
      const info = convolutionInfo(lastShape(x.shape, dataFormat), filterShape, { ...attributes, dilations: 1 });
      const [images, gradient] = [readImages(backend, x, dataFormat), readImages(backend, dy, dataFormat)];
      return backend.output(filterGradient(backend, images, gradient, info));
    },
  ),
];
