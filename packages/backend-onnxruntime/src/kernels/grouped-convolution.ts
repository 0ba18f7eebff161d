import type * as tf from '@tensorflow/tfjs';
import type { OnnxRuntimeBackend } from '../backend.js';
import { kernel, type OnnxKernel } from '../kernel.js';
import type { Value } from '../recording.js';
import {
  convolutionInfo,
  forwardWindows,
  onnxWindow,
  readImages,
  seenPart,
  transposedConvolution,
  writeImages,
  type ConvolutionAttributes,
  type ConvolutionInfo,
} from './convolution-info.js';
import { filled } from './expression.js';
import { patches } from './patches.js';
import { cast, channelsFirst, channelsLast, onesRow, sumRows, transpose } from './structural.js';
import { tapsOf } from './taps.js';

function dilations(info: ConvolutionInfo): number[] {
  return [info.dilationHeight, info.dilationWidth];
}

/** Filter [h, w, C / G, O] → [O, C / G, h, w], as ONNX has it. */
function onnxFilter(backend: OnnxRuntimeBackend, filter: Value): Value {
  return transpose(backend, filter, [3, 2, 0, 1]);
}

/** x [B, H, W, C] with filter [h, w, C / G, O], + bias [O]: [B, H′, W′, O]. One Conv. */
export function groupedConvolve(
  backend: OnnxRuntimeBackend,
  x: Value,
  filter: Value,
  info: ConvolutionInfo,
  groups: number,
  bias?: Value,
  after: (y: Value) => Value = (y) => y,
): Value {
  const { batchSize, outChannels, outHeight, outWidth } = info;
  const inputs = [channelsFirst(backend, seenPart(backend, x, info)), onnxFilter(backend, filter)];
  const y = backend.emit('Conv', bias ? [...inputs, bias] : inputs, [batchSize, outChannels, outHeight, outWidth], {
    ...onnxWindow(info),
    dilations: dilations(info),
    group: groups,
  });
  return channelsLast(backend, after(y));
}

/** dx [B, H, W, C] of dy [B, H′, W′, O] and filter [h, w, C / G, O]. */
export function groupedInputGradient(
  backend: OnnxRuntimeBackend,
  dy: Value,
  filter: Value,
  info: ConvolutionInfo,
  groups: number,
): Value {
  const { batchSize, inChannels, outChannels, inHeight, inWidth, outHeight, outWidth, padInfo } = info;
  const [height, width] = [info.effectiveFilterHeight, info.effectiveFilterWidth];
  const [top, left] = [height - 1 - padInfo.top, width - 1 - padInfo.left];
  const pads = [top, left, inHeight - outHeight + height - 1 - top, inWidth - outWidth + width - 1 - left];
  const taps = onnxFilter(backend, filter);
  const kernel_shape = taps.shape.slice(2);
  const shape = [batchSize, inChannels, inHeight, inWidth];
  // With stride 1 a convolution with the flipped filter, up to twice as fast.
  if (info.strideHeight * info.strideWidth === 1 && pads.every((pad) => pad >= 0)) {
    const perGroup = backend.reshape(taps, [groups, outChannels / groups, inChannels / groups, ...kernel_shape]);
    const swapped = inChannels === groups ? perGroup : transpose(backend, perGroup, [0, 2, 1, 3, 4]);
    const upright = backend.reshape(swapped, [inChannels, outChannels / groups, ...kernel_shape]);
    const [backwards, end, axes] = [
      [-1, -1],
      [-1 - kernel_shape[0], -1 - kernel_shape[1]],
      [2, 3],
    ].map((list) => backend.integers(list));
    const flipped = backend.emit('Slice', [upright, backwards, end, axes, backwards], upright.shape);
    const attributes = { group: groups, kernel_shape, dilations: dilations(info), pads };
    return channelsLast(backend, backend.emit('Conv', [channelsFirst(backend, dy), flipped], shape, attributes));
  }
  return transposedConvolution(backend, dy, taps, info, groups);
}

/** dW [h, w, C / G, O] of x [B, H, W, C] and dy [B, H′, W′, O]. */
export function groupedFilterGradient(
  backend: OnnxRuntimeBackend,
  x: Value,
  dy: Value,
  info: ConvolutionInfo,
  groups: number,
): Value {
  return info.inChannels === groups ? tapByTap(backend, x, dy, info) : productOfPatches(backend, x, dy, info, groups);
}

/** One product a group: [h · w · C/G, B · H′ · W′] of patches with [B · H′ · W′, O/G] of gradients. */
function productOfPatches(
  backend: OnnxRuntimeBackend,
  x: Value,
  dy: Value,
  info: ConvolutionInfo,
  groups: number,
): Value {
  const { batchSize, inChannels, outChannels, inHeight, inWidth, outHeight, outWidth } = info;
  const [height, width, depth, filters] = [
    info.filterHeight,
    info.filterWidth,
    inChannels / groups,
    outChannels / groups,
  ];
  const [pixels, positions] = [batchSize * inHeight * inWidth, batchSize * outHeight * outWidth];
  const split = transpose(backend, backend.reshape(x, [pixels, groups, depth]), [1, 0, 2]);
  const images = backend.reshape(split, [groups * batchSize, inHeight, inWidth, depth]);
  const taken = patches(backend, images, forwardWindows(info));
  const rows = backend.reshape(taken, [groups, positions, height * width * depth]);
  const gradients = transpose(backend, backend.reshape(dy, [positions, groups, filters]), [1, 0, 2]);
  const shape = [groups, height * width * depth, filters];
  const product = backend.emit('MatMul', [transpose(backend, rows, [0, 2, 1]), gradients], shape);
  const apart = backend.reshape(product, [groups, height * width, depth, filters]);
  return backend.reshape(transpose(backend, apart, [1, 2, 0, 3]), [height, width, depth, outChannels]);
}

/**
 * For a channel a group: every tap is a sum over positions of what it sees times the gradient. Up to three times faster than a
 * convolution of images with gradients, whose groups are too small.
 */
function tapByTap(backend: OnnxRuntimeBackend, x: Value, dy: Value, info: ConvolutionInfo): Value {
  const { batchSize, inChannels, outChannels, outHeight, outWidth, filterHeight, filterWidth } = info;
  const taps = tapsOf(backend, x, info, 0);
  // [B, H′, W′, C, 1] · [B, H′, W′, C, M] where there is more than one filter a channel
  const multiplier = outChannels === inChannels ? [] : [outChannels / inChannels];
  const gradients = backend.reshape(dy, [batchSize, outHeight, outWidth, inChannels, ...multiplier]);
  const positions = outHeight * outWidth;
  const ones = onesRow(positions);
  const sums: Value[] = [];
  for (let i = 0; i < filterHeight; i++)
    for (let j = 0; j < filterWidth; j++) {
      const seen = taps.at(i, j);
      const lined = backend.reshape(seen, [...seen.shape, ...multiplier.map(() => 1)]);
      const products = backend.emit('Mul', [lined, gradients], gradients.shape);
      const flat = backend.reshape(products, [batchSize, positions, outChannels]);
      // First within each image, then over images: shorter sums round less.
      sums.push(backend.emit('MatMul', [ones, flat], [batchSize, 1, outChannels]));
    }
  const perImage = backend.emit('Concat', sums, [batchSize, sums.length, outChannels], { axis: 1 });
  const total = sumRows(backend, backend.reshape(perImage, [batchSize, sums.length * outChannels]));
  return backend.reshape(total, [filterHeight, filterWidth, 1, outChannels]);
}

type Grouped = ConvolutionAttributes & { groups: number };

/** The kernels of groupedConv2d of @retort/nn, which says what their attributes are. */
export const groupedConvolutionKernels: OnnxKernel[] = [
  kernel<Record<'x' | 'filter', tf.TensorInfo>, Grouped>(
    'GroupedConv2D',
    ({ x, filter }, attributes, backend) => {
      const info = convolutionInfo(x.shape, filter.shape, attributes);
      const taps = cast(backend, backend.value(filter), 'float32');
      return writeImages(backend, groupedConvolve(backend, readImages(backend, x), taps, info, attributes.groups));
    },
    { anyTensor: true },
  ),
  kernel<Record<'dy' | 'filter', tf.TensorInfo>, Grouped & { inputShape: number[] }>(
    'GroupedConv2DBackpropInput',
    ({ dy, filter }, attributes, backend) => {
      const info = convolutionInfo(attributes.inputShape, filter.shape, attributes);
      const taps = cast(backend, backend.value(filter), 'float32');
      const dx = groupedInputGradient(backend, readImages(backend, dy), taps, info, attributes.groups);
      return writeImages(backend, dx);
    },
    { anyTensor: true },
  ),
  kernel<Record<'x' | 'dy', tf.TensorInfo>, Grouped & { filterShape: number[] }>(
    'GroupedConv2DBackpropFilter',
    ({ x, dy }, attributes, backend) => {
      const { filterShape, groups } = attributes;
      if (x.shape[0] === 0) return backend.output(filled(backend, filterShape, 0));
      const info = convolutionInfo(x.shape, filterShape, attributes);
      const [images, gradients] = [readImages(backend, x), readImages(backend, dy)];
      return backend.output(groupedFilterGradient(backend, images, gradients, info, groups));
    },
    { anyTensor: true },
  ),
];
