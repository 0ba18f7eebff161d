import * as tf from '@tensorflow/tfjs';
import type { OnnxRuntimeBackend } from '../backend.js';
import { kernel, type OnnxKernel } from '../kernel.js';
import type { Value } from '../recording.js';
import { onnxWindow, readImages, seenPart, type ConvolutionInfo } from './convolution-info.js';
import { filled } from './expression.js';
import { cast, channelsFirst, channelsLast, derivedConstant, separable } from './structural.js';
import { tapsOf } from './taps.js';

interface Attributes {
  filterSize: number | [number, number];
  strides: number | [number, number];
  pad: 'valid' | 'same' | number;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

function poolInfo(shape: readonly number[], { filterSize, strides, pad, dimRoundingMode }: Attributes) {
  return tf.backend_util.computePool2DInfo(
    shape as [number, number, number, number],
    filterSize,
    strides,
    1,
    pad,
    dimRoundingMode,
  );
}

function outputShape(info: ConvolutionInfo): number[] {
  return [info.batchSize, info.inChannels, info.outHeight, info.outWidth];
}

function pool(backend: OnnxRuntimeBackend, op: 'MaxPool' | 'AveragePool', x: Value, info: ConvolutionInfo): Value {
  const images = channelsFirst(backend, seenPart(backend, x, info));
  return channelsLast(backend, backend.emit(op, [images], outputShape(info), onnxWindow(info)));
}

function pooling(name: string, op: 'MaxPool' | 'AveragePool'): OnnxKernel {
  return kernel<{ x: tf.TensorInfo }, Attributes>(name, ({ x }, attributes, backend) => {
    const info = poolInfo(x.shape, attributes);
    if (info.filterHeight * info.filterWidth === 1 && tf.util.arraysEqual(info.inShape, info.outShape)) {
      backend.incRef(x.dataId);
      return { dataId: x.dataId, shape: x.shape, dtype: x.dtype };
    }
    const pooled = pool(backend, op, readImages(backend, x), info);
    return backend.output(x.dtype === 'float32' ? pooled : cast(backend, pooled, 'int32'));
  });
}

/** Where in x the first maximum of every window is, as an index into all of x or of its image: [B, H′, W′, C], int32. */
function maxPositions(
  backend: OnnxRuntimeBackend,
  x: Value,
  y: Value,
  info: ConvolutionInfo,
  includeBatchInIndex: boolean,
): Value {
  const { batchSize, inChannels, inHeight, inWidth, outHeight, outWidth, filterHeight, filterWidth, padInfo } = info;
  const taps = tapsOf(backend, x, info, NaN);
  const offset = (i: number, j: number) => (i * inWidth + j) * inChannels;
  let found = filled(backend, y.shape, offset(filterHeight - 1, filterWidth - 1), 'int32');
  for (let tap = filterHeight * filterWidth - 2; tap >= 0; tap--) {
    const [i, j] = [Math.floor(tap / filterWidth), tap % filterWidth];
    const hit = backend.emit('Equal', [taps.at(i, j), y], y.shape, { type: 'bool' });
    found = backend.emit('Where', [hit, backend.scalar(offset(i, j), 'int32'), found], y.shape, { type: 'int32' });
  }
  const images = includeBatchInIndex ? batchSize : 1;
  const name = `first pixels of windows ${JSON.stringify([info.inShape, info.outShape, padInfo, images])} ${info.strideHeight} ${info.strideWidth}`;
  const first = derivedConstant(name, [images, outHeight, outWidth, inChannels], 'int32', () =>
    Array.from({ length: images * outHeight * outWidth * inChannels }, (_, at) => {
      const channel = at % inChannels;
      const column = (Math.floor(at / inChannels) % outWidth) * info.strideWidth - padInfo.left;
      const row = (Math.floor(at / (inChannels * outWidth)) % outHeight) * info.strideHeight - padInfo.top;
      const image = Math.floor(at / (inChannels * outWidth * outHeight));
      return ((image * inHeight + row) * inWidth + column) * inChannels + channel;
    }),
  );
  return backend.emit('Add', [found, first], y.shape);
}

/**
 * Every window's gradient goes to its first maximum. One tap of the windows after the other takes what is left of the gradient
 * where it equals the maximum; then the taps are laid out as the input. Two to four times faster than adding up at the positions
 * that ONNX's MaxPool reports.
 *
 * @param y the maxima, [B, H′, W′, C]
 */
function maxPoolGradient(backend: OnnxRuntimeBackend, x: Value, y: Value, dy: Value, info: ConvolutionInfo): Value {
  const { filterHeight, filterWidth, strideHeight, strideWidth } = info;
  // NaN equals no maximum: pads take nothing.
  const taps = tapsOf(backend, x, info, NaN);
  /** What each pixel of a block of the strides' size gets, with how many blocks further on. */
  const shares = Array.from({ length: strideHeight * strideWidth }, (): Share[] => []);
  let left = dy;
  for (let i = 0; i < filterHeight; i++)
    for (let j = 0; j < filterWidth; j++) {
      const last = i * filterWidth + j === filterHeight * filterWidth - 1;
      const hit = last ? undefined : backend.emit('Equal', [taps.at(i, j), y], y.shape, { type: 'bool' });
      const taken = hit ? backend.emit('Mul', [left, cast(backend, hit, 'float32')], y.shape) : left;
      if (hit) left = backend.emit('Sub', [left, taken], y.shape);
      shares[(i % strideHeight) * strideWidth + (j % strideWidth)].push({
        value: taken,
        down: Math.floor(i / strideHeight),
        right: Math.floor(j / strideWidth),
      });
    }
  return fromBlocks(backend, shares, info);
}

interface Share {
  value: Value;
  down: number;
  right: number;
}

/** The input [B, H, W, C] from blocks of the strides' size, whose pixels are sums of shares [B, H′, W′, C]. */
function fromBlocks(backend: OnnxRuntimeBackend, shares: Share[][], info: ConvolutionInfo): Value {
  const { batchSize, inChannels, inHeight, inWidth, outHeight, outWidth, strideHeight, strideWidth } = info;
  const { top, left } = info.padInfo;
  const blocks = (size: number, before: number, out: number, filter: number, stride: number) =>
    Math.max(out + Math.ceil(filter / stride) - 1, Math.ceil((size + before) / stride));
  const rows = blocks(inHeight, top, outHeight, info.filterHeight, strideHeight);
  const columns = blocks(inWidth, left, outWidth, info.filterWidth, strideWidth);
  const shape = [batchSize, rows, columns, inChannels];
  const pixels = shares.map((each) => {
    const moved = each.map(({ value, down, right }) => {
      const pads = [0, down, right, 0, 0, rows - outHeight - down, columns - outWidth - right, 0];
      return pads.some(Boolean) ? backend.emit('Pad', [value, backend.integers(pads)], shape) : value;
    });
    // Strides longer than the windows leave pixels out.
    const sum = moved.length === 0 ? filled(backend, shape, 0) : concisely(backend, 'Sum', moved, shape);
    return backend.reshape(sum, [batchSize, rows, 1, columns, 1, inChannels]);
  });
  const lines = Array.from({ length: strideHeight }, (_, i) =>
    concisely(
      backend,
      'Concat',
      pixels.slice(i * strideWidth, (i + 1) * strideWidth),
      [batchSize, rows, 1, columns, strideWidth, inChannels],
      { axis: 4 },
    ),
  );
  const joined = concisely(
    backend,
    'Concat',
    lines,
    [batchSize, rows, strideHeight, columns, strideWidth, inChannels],
    { axis: 2 },
  );
  const whole = backend.reshape(joined, [batchSize, rows * strideHeight, columns * strideWidth, inChannels]);
  if (whole.shape[1] === inHeight && whole.shape[2] === inWidth) return whole;
  const lists = [[top, left], [top + inHeight, left + inWidth], [1, 2]]; // prettier-ignore
  return backend.emit(
    'Slice',
    [whole, ...lists.map((list) => backend.integers(list))],
    [batchSize, inHeight, inWidth, inChannels],
  );
}

/** A node of many inputs; none for a single one. */
function concisely(
  backend: OnnxRuntimeBackend,
  op: 'Sum' | 'Concat',
  values: readonly Value[],
  shape: readonly number[],
  attributes = {},
): Value {
  return values.length === 1 ? values[0] : backend.emit(op, values, shape, attributes);
}

/** [size, outSize]: 1 / filter where an input position lies in an output's window. */
function membership(size: number, outSize: number, filter: number, stride: number, before: number): Value {
  const name = `windows of ${[size, outSize, filter, stride, before].join()}`;
  return derivedConstant(name, [size, outSize], 'float32', () =>
    Array.from({ length: size * outSize }, (_, i) => {
      const tap = Math.floor(i / outSize) + before - (i % outSize) * stride;
      return tap >= 0 && tap < filter ? 1 / filter : 0;
    }),
  );
}

export const poolingKernels: OnnxKernel[] = [
  pooling(tf.MaxPool, 'MaxPool'),
  pooling(tf.AvgPool, 'AveragePool'),
  kernel<{ x: tf.TensorInfo }, Attributes & { includeBatchInIndex: boolean }>(
    tf.MaxPoolWithArgmax,
    ({ x }, { includeBatchInIndex, ...attributes }, backend) => {
      const info = poolInfo(x.shape, attributes);
      const images = readImages(backend, x);
      const pooled = pool(backend, 'MaxPool', images, info);
      const positions = maxPositions(backend, images, pooled, info, includeBatchInIndex);
      return [
        backend.output(x.dtype === 'float32' ? pooled : cast(backend, pooled, 'int32')),
        backend.output(positions),
      ];
    },
  ),
  kernel<Record<'dy' | 'input' | 'output', tf.TensorInfo>, Attributes>(
    tf.MaxPoolGrad,
    ({ dy, input, output }, attributes, backend) => {
      const info = poolInfo(input.shape, attributes);
      const [x, y, gradient] = [input, output, dy].map((tensor) => readImages(backend, tensor));
      return backend.output(maxPoolGradient(backend, x, y, gradient, info));
    },
  ),
  // As tfjs on every backend: shared by the whole window, also where the forward pass divided by fewer because of pads.
  kernel<{ dy: tf.TensorInfo; input: tf.TensorInfo }, Attributes>(
    tf.AvgPoolGrad,
    ({ dy, input }, attributes, backend) => {
      const info = poolInfo(input.shape, attributes);
      const { top, left } = info.padInfo;
      const rows = membership(info.inHeight, info.outHeight, info.filterHeight, info.strideHeight, top);
      const columns = membership(info.inWidth, info.outWidth, info.filterWidth, info.strideWidth, left);
      return backend.output(separable(backend, readImages(backend, dy), rows, columns));
    },
  ),
];
