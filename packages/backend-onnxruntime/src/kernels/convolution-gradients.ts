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
import { type Axis, patches } from './patches.js';
import { cast, channelsFirst, channelsLast, sumRows, transpose } from './structural.js';

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

/** Pads of the convolution of dy with the mirrored filter that gives dx: top, left, bottom, right. */
function mirroredPads(info: ConvolutionInfo): number[] {
  const [top, left] = [info.filterHeight - 1 - info.padInfo.top, info.filterWidth - 1 - info.padInfo.left];
  const bottom = info.inHeight + info.filterHeight - 1 - info.outHeight - top;
  return [top, left, bottom, info.inWidth + info.filterWidth - 1 - info.outWidth - left];
}

/** [h, w, C, K] turned by half a turn, as ONNX's filter from K to C channels: [C, K, h, w]. */
function mirrored(backend: OnnxRuntimeBackend, filter: Value): Value {
  const [height, width, channels, filters] = filter.shape;
  const taps = height * width;
  const backwards = backend.constant(
    Int32Array.from({ length: taps }, (_, i) => taps - 1 - i),
    [taps],
    'int32',
  );
  const lined = backend.reshape(filter, [taps, channels, filters]);
  const turned = backend.emit('Gather', [lined, backwards], lined.shape, { axis: 0 });
  return transpose(backend, backend.reshape(turned, filter.shape), [2, 3, 0, 1]);
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
  const pads = mirroredPads(info);
  if (!strided && pads.every((pad) => pad >= 0)) {
    const dx = backend.emit(
      'Conv',
      [channelsFirst(backend, dy), mirrored(backend, filter)],
      [batchSize, inChannels, inHeight, inWidth],
      { kernel_shape: [filterHeight, filterWidth], strides: [1, 1], pads, dilations: [1, 1] },
    );
    return channelsLast(backend, dx);
  }
  return transposedConvolution(backend, dy, transpose(backend, filter, [3, 2, 0, 1]), info);
}

/**
 * dW [h, w, C, K] of x [B, H, W, C] and dy [B, H′, W′, K].
 *
 * With stride 1, of x the pixels that the taps of a row see are put side by side, [P, w · C], and of dy those that the taps of a
 * column come from, [P, h · K]; all of dW is one product of the two. Patches of whole windows would be h times as many numbers.
 */
export function filterGradient(backend: OnnxRuntimeBackend, x: Value, dy: Value, info: ConvolutionInfo): Value {
  const { inHeight, inChannels, outWidth, outChannels, filterHeight, filterWidth, padInfo } = info;
  const windows = forwardWindows(info);
  const none: Axis = { origin: 0, step: 1, tapStep: 0, divisor: 1 };
  if (info.strideHeight * info.strideWidth > 1 || filterHeight * filterWidth === 1) {
    const pixels = isPointwise(info) && info.strideHeight * info.strideWidth === 1 ? x : patches(backend, x, windows);
    return backend.reshape(productOfColumns(backend, pixels, dy), info.filterShape);
  }
  const rows = patches(backend, x, { ...windows, height: inHeight, rows: 1, vertical: none });
  const columns = patches(backend, dy, {
    height: inHeight,
    width: outWidth,
    rows: filterHeight,
    columns: 1,
    vertical: { origin: padInfo.top, step: 1, tapStep: -1, divisor: 1 },
    horizontal: none,
  });
  const product = productOfColumns(backend, rows, columns);
  const split = backend.reshape(product, [filterWidth, inChannels, filterHeight, outChannels]);
  return transpose(backend, split, [2, 0, 1, 3]);
}

/**
 * aᵀ · b of a [.., M] and b [.., N] over all else: [M, N]. The transpose is a node of its own, and the product of the result
 * two to three times as fast as one that reads a transposed. Each thread multiplies a part of the positions: onnxruntime would
 * share out the few rows of the result.
 */
function productOfColumns(backend: OnnxRuntimeBackend, a: Value, b: Value): Value {
  const [m, n] = [a.shape.at(-1)!, b.shape.at(-1)!];
  const positions = tf.util.sizeFromShape(b.shape.slice(0, -1));
  const { threads } = backend.options;
  const parts = positions % threads === 0 ? threads : 1;
  const each = positions / parts;
  // An axis more than needed, so that onnxruntime does not put transpose and product together again.
  const lines = each % 32 === 0 ? 32 : 1;
  const turned = transpose(backend, backend.reshape(a, [parts, lines, each / lines, m]), [0, 3, 1, 2]);
  const left = backend.reshape(turned, [parts, m, each]);
  if (parts === 1) return matMul(backend, backend.reshape(left, [m, each]), backend.reshape(b, [each, n]));
  const products = matMul(backend, left, backend.reshape(b, [parts, each, n]));
  return backend.reshape(sumRows(backend, backend.reshape(products, [parts, m * n])), [m, n]);
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
