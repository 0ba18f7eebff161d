import * as tf from '@tensorflow/tfjs';
import { frameOf, frameTaps, inputFrame, outputFrame } from './frame.js';
import { sumRows } from './reductions.js';
import { composed } from './workspace.js';

interface DepthwiseAttributes {
  strides: [number, number] | number;
  dilations?: [number, number] | number;
  pad: 'valid' | 'same' | number | tf.backend_util.ExplicitPadding;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

type Shape4D = [number, number, number, number];

function depthwiseInfo(
  inputShape: number[],
  filterShape: number[],
  { strides, dilations, pad, dimRoundingMode }: DepthwiseAttributes,
) {
  return tf.backend_util.computeConv2DInfo(
    inputShape as Shape4D,
    filterShape as Shape4D,
    strides,
    dilations ?? 1,
    pad,
    dimRoundingMode,
    true,
  );
}

/**
 * Gradient of a depthwise convolution with respect to its input: dy, spread out by the stride and padded, convolved
 * depthwise with the flipped filter, then summed over the channel multiplier.
 */
export const depthwiseConv2dNativeBackpropInput = composed<
  { dy: tf.TensorInfo; filter: tf.TensorInfo },
  DepthwiseAttributes & { inputShape: number[] }
>((workspace, { dy, filter }, { inputShape, ...attributes }) => {
  const info = depthwiseInfo(inputShape, filter.shape, attributes);
  const { batchSize, inHeight, inWidth, outHeight, outWidth, outChannels, strideHeight, strideWidth } = info;
  const [height, width] = [inHeight + info.effectiveFilterHeight - 1, inWidth + info.effectiveFilterWidth - 1];
  const [top, left] = [
    info.effectiveFilterHeight - 1 - info.padInfo.top,
    info.effectiveFilterWidth - 1 - info.padInfo.left,
  ];
  const spread = workspace.zeros([batchSize, height, width, outChannels]);
  const heap = workspace.heap();
  const [from, to] = [workspace.start(dy), workspace.start(spread)];
  for (let b = 0; b < batchSize; b++) {
    for (let oy = 0; oy < outHeight; oy++) {
      const y = oy * strideHeight + top;
      if (y < 0 || y >= height) continue;
      for (let ox = 0; ox < outWidth; ox++) {
        const x = ox * strideWidth + left;
        if (x < 0 || x >= width) continue;
        const read = from + ((b * outHeight + oy) * outWidth + ox) * outChannels;
        const write = to + ((b * height + y) * width + x) * outChannels;
        for (let c = 0; c < outChannels; c++) heap[write + c] = heap[read + c];
      }
    }
  }
  const flipped = workspace.run('Reverse', { x: filter }, { dims: [0, 1] });
  const gradient = workspace.run(
    'DepthwiseConv2dNative',
    {
      x: spread,
      filter: workspace.reshape(flipped, [info.filterHeight, info.filterWidth, outChannels, 1]),
    },
    {
      strides: [1, 1],
      dilations: [info.dilationHeight, info.dilationWidth],
      pad: 'valid',
    },
  );
  const multiplier = filter.shape[3];
  if (multiplier === 1) return gradient;
  const summed = workspace.run(
    'Sum',
    { x: workspace.reshape(gradient, [batchSize * inHeight * inWidth * info.inChannels, multiplier]) },
    { axis: [1], keepDims: false },
  );
  return workspace.reshape(summed, inputShape);
});

/**
 * Gradient of a depthwise convolution with respect to its filter: per tap the product of x, shifted, and dy, summed
 * over positions. Shifting is a change of the starting address (frame.ts).
 */
export const depthwiseConv2dNativeBackpropFilter = composed<
  { x: tf.TensorInfo; dy: tf.TensorInfo },
  DepthwiseAttributes & { filterShape: number[] }
>((workspace, { x, dy }, { filterShape, ...attributes }) => {
  const info = depthwiseInfo(x.shape, filterShape, attributes);
  const { outChannels } = info;
  const frame = frameOf(info);
  const result = workspace.empty(filterShape);
  const source = inputFrame(workspace, frame, x, info, { transposed: false, copies: filterShape[3] });
  const gradient = outputFrame(workspace, frame, dy, info);
  const shape = [frame.size, outChannels];
  frameTaps(frame).forEach(({ block, shift }, tap) => {
    const input = workspace.view(source.data, source.start(block, shift), shape);
    const product = workspace.run('Multiply', { a: input, b: gradient });
    const sum = sumRows(workspace, product, frame.size, outChannels);
    workspace.values(result).set(workspace.values(sum), tap * outChannels);
    workspace.free(product);
  });
  return result;
});
