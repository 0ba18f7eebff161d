import * as tf from '@tensorflow/tfjs';
import type { OnnxRuntimeBackend } from '../backend.js';
import type { Value } from '../recording.js';
import { filled } from './expression.js';
import type { Windows } from './patches.js';
import { cast, channelsFirst, channelsLast } from './structural.js';

export type ConvolutionInfo = tf.backend_util.Conv2DInfo;

type Four = [number, number, number, number];

export interface ConvolutionAttributes {
  strides: number | [number, number];
  pad: 'valid' | 'same' | number | tf.backend_util.ExplicitPadding;
  dilations?: number | [number, number] | null;
  dataFormat?: 'NHWC' | 'NCHW';
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

/** Sizes of a convolution of `shape` [B, H, W, C], whatever the layout of its tensors. */
export function convolutionInfo(
  shape: readonly number[],
  filterShape: readonly number[],
  { strides, pad, dilations, dataFormat, dimRoundingMode }: ConvolutionAttributes,
  depthwise = false,
): ConvolutionInfo {
  // Explicit pads are written per axis of the data format.
  const explicit = Array.isArray(pad) && dataFormat === 'NCHW' ? [pad[0], pad[2], pad[3], pad[1]] : pad;
  return tf.backend_util.computeConv2DInfo(
    shape as Four,
    filterShape as Four,
    strides,
    dilations ?? 1,
    explicit as 'same',
    dimRoundingMode,
    depthwise,
  );
}

/** Sizes in the order [B, H, W, C]. */
export function lastShape(shape: readonly number[], dataFormat?: string): number[] {
  return dataFormat === 'NCHW' ? [0, 2, 3, 1].map((axis) => shape[axis]) : shape.slice();
}

/** A tensor as [B, H, W, C] and float32. */
export function readImages(backend: OnnxRuntimeBackend, tensor: tf.TensorInfo, dataFormat?: string): Value {
  const value = cast(backend, backend.value(tensor), 'float32');
  return dataFormat === 'NCHW' ? channelsLast(backend, value) : value;
}

/** The output tensor of [B, H, W, C] in the layout and type that tfjs expects. */
export function writeImages(
  backend: OnnxRuntimeBackend,
  value: Value,
  dataFormat?: string,
  dtype: tf.DataType = 'float32',
): tf.TensorInfo {
  const typed = cast(backend, value, dtype === 'int32' ? 'int32' : 'float32');
  return backend.output(dataFormat === 'NCHW' ? channelsFirst(backend, typed) : typed);
}

/** What the windows at the output positions see of the input. */
export function forwardWindows(info: ConvolutionInfo): Windows {
  return {
    height: info.outHeight,
    width: info.outWidth,
    rows: info.filterHeight,
    columns: info.filterWidth,
    vertical: { origin: -info.padInfo.top, step: info.strideHeight, tapStep: info.dilationHeight, divisor: 1 },
    horizontal: { origin: -info.padInfo.left, step: info.strideWidth, tapStep: info.dilationWidth, divisor: 1 },
  };
}

/** Where each input position went: tap (i, j) sees the output position to which the input contributed through it. */
export function backwardWindows(info: ConvolutionInfo): Windows {
  return {
    height: info.inHeight,
    width: info.inWidth,
    rows: info.filterHeight,
    columns: info.filterWidth,
    vertical: { origin: info.padInfo.top, step: 1, tapStep: -info.dilationHeight, divisor: info.strideHeight },
    horizontal: { origin: info.padInfo.left, step: 1, tapStep: -info.dilationWidth, divisor: info.strideWidth },
  };
}

/** Attributes of ONNX's convolution and pooling. The far pads are those that the output needs, whatever rounding made it. */
export function onnxWindow(info: ConvolutionInfo) {
  const { top, left } = info.padInfo;
  const need = (out: number, stride: number, extent: number, before: number, size: number) =>
    Math.max(0, (out - 1) * stride + extent - before - size);
  return {
    kernel_shape: [info.filterHeight, info.filterWidth],
    strides: [info.strideHeight, info.strideWidth],
    pads: [
      top,
      left,
      need(info.outHeight, info.strideHeight, info.effectiveFilterHeight, top, info.inHeight),
      need(info.outWidth, info.strideWidth, info.effectiveFilterWidth, left, info.inWidth),
    ],
  };
}

/** A convolution of single pixels without pads. */
export function isPointwise(info: ConvolutionInfo): boolean {
  const { top, left, bottom, right } = info.padInfo;
  return info.filterHeight * info.filterWidth === 1 && top + left + bottom + right === 0;
}

/**
 * Rows and columns beyond the last windows, where ONNX would find room for more of them: tfjs counts the windows that a numeric pad
 * leaves room for by the filter's height and the vertical stride, along both axes.
 */
function unseen(info: ConvolutionInfo): [number, number] {
  const rest = (size: number, out: number, stride: number, extent: number, before: number) => {
    const left = size + before - (out - 1) * stride - extent;
    return left >= stride ? left : 0;
  };
  return [
    rest(info.inHeight, info.outHeight, info.strideHeight, info.effectiveFilterHeight, info.padInfo.top),
    rest(info.inWidth, info.outWidth, info.strideWidth, info.effectiveFilterWidth, info.padInfo.left),
  ];
}

/** x [B, H, W, C] without what no window sees. */
export function seenPart(backend: OnnxRuntimeBackend, x: Value, info: ConvolutionInfo): Value {
  const [rows, columns] = unseen(info);
  if (rows + columns === 0) return x;
  const [batch, height, width, channels] = x.shape;
  const lists = [[0, 0], [height - rows, width - columns], [1, 2]].map((list) => backend.integers(list)); // prettier-ignore
  return backend.emit('Slice', [x, ...lists], [batch, height - rows, width - columns, channels]);
}

/**
 * The gradient of the input, [B, H, W, C], by ONNX's ConvTranspose.
 *
 * @param dy [B, H′, W′, O]
 * @param filter [O, C / groups, h, w]
 */
export function transposedConvolution(
  backend: OnnxRuntimeBackend,
  dy: Value,
  filter: Value,
  info: ConvolutionInfo,
  groups = 1,
): Value {
  const { batchSize, inChannels, padInfo } = info;
  const [rows, columns] = unseen(info);
  const [height, width] = [info.inHeight - rows, info.inWidth - columns];
  // The windows see nothing but pads.
  if (height <= 0 || width <= 0) return filled(backend, info.inShape, 0);
  const surplus = [
    (info.outHeight - 1) * info.strideHeight + info.effectiveFilterHeight - padInfo.top - height,
    (info.outWidth - 1) * info.strideWidth + info.effectiveFilterWidth - padInfo.left - width,
  ];
  const inputs = [channelsFirst(backend, dy), filter];
  const seen = backend.emit('ConvTranspose', inputs, [batchSize, inChannels, height, width], {
    kernel_shape: [info.filterHeight, info.filterWidth],
    strides: [info.strideHeight, info.strideWidth],
    dilations: [info.dilationHeight, info.dilationWidth],
    pads: [padInfo.top, padInfo.left, Math.max(0, surplus[0]), Math.max(0, surplus[1])],
    output_padding: [Math.max(0, -surplus[0]), Math.max(0, -surplus[1])],
    group: groups,
  });
  const dx = channelsLast(backend, seen);
  return rows + columns === 0
    ? dx
    : backend.emit('Pad', [dx, backend.integers([0, 0, 0, 0, 0, rows, columns, 0])], info.inShape);
}
