import * as tf from '@tensorflow/tfjs';
import type { OnnxRuntimeBackend } from '../backend.js';
import { kernel, type OnnxKernel } from '../kernel.js';
import type { Value } from '../recording.js';
import { onnxWindow, readImages, type ConvolutionInfo } from './convolution-info.js';
import { cast, channelsFirst, channelsLast, derivedConstant, separable } from './structural.js';

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

function pooling(name: string, op: string): OnnxKernel {
  return kernel<{ x: tf.TensorInfo }, Attributes>(name, ({ x }, attributes, backend) => {
    const info = poolInfo(x.shape, attributes);
    if (info.filterHeight * info.filterWidth === 1 && tf.util.arraysEqual(info.inShape, info.outShape)) {
      backend.incRef(x.dataId);
      return { dataId: x.dataId, shape: x.shape, dtype: x.dtype };
    }
    const images = channelsFirst(backend, readImages(backend, x));
    const pooled = channelsLast(backend, backend.emit(op, [images], outputShape(info), onnxWindow(info)));
    return backend.output(x.dtype === 'float32' ? pooled : cast(backend, pooled, 'int32'));
  });
}

/** Every window's gradient goes to its first maximum: the position that ONNX's MaxPool reports. */
function maxPoolGradient(backend: OnnxRuntimeBackend, x: Value, dy: Value, info: ConvolutionInfo): Value {
  const { batchSize, inChannels, inHeight, inWidth } = info;
  const shape = outputShape(info);
  const [, positions] = backend.emitAll('MaxPool', [channelsFirst(backend, x)], onnxWindow(info), [
    { type: 'float32', shape },
    { type: 'int64', shape },
  ]);
  const size = batchSize * inChannels * inHeight * inWidth;
  const count = tf.util.sizeFromShape(shape);
  const zeros = backend.emit('Expand', [backend.scalar(0), backend.integers([size])], [size]);
  const scattered = backend.emit(
    'ScatterElements',
    [zeros, backend.reshape(positions, [count]), backend.reshape(channelsFirst(backend, dy), [count])],
    [size],
    { axis: 0, reduction: 'add' },
  );
  return channelsLast(backend, backend.reshape(scattered, [batchSize, inChannels, inHeight, inWidth]));
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
  kernel<{ dy: tf.TensorInfo; input: tf.TensorInfo }, Attributes>(
    tf.MaxPoolGrad,
    ({ dy, input }, attributes, backend) => {
      const info = poolInfo(input.shape, attributes);
      return backend.output(maxPoolGradient(backend, readImages(backend, input), readImages(backend, dy), info));
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
