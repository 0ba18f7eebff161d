import * as tf from '@tensorflow/tfjs';
import { frameOf, frameTaps, inputFrame, outputFrame } from './frame.js';
import { composed } from './workspace.js';

interface ConvolutionAttributes {
  strides: [number, number] | number;
  pad: 'valid' | 'same' | number | tf.backend_util.ExplicitPadding;
  dataFormat?: 'NHWC' | 'NCHW';
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

type Shape4D = [number, number, number, number];

function convolutionInfo(
  kernelName: string,
  inputShape: number[],
  filterShape: number[],
  { strides, pad, dataFormat = 'NHWC', dimRoundingMode }: ConvolutionAttributes,
) {
  if (dataFormat !== 'NHWC')
    throw new Error(`wasm backend ${kernelName} does not support dataFormat '${dataFormat}'. Please use 'NHWC'.`);
  return tf.backend_util.computeConv2DInfo(
    inputShape as Shape4D,
    filterShape as Shape4D,
    strides,
    1,
    pad,
    dimRoundingMode,
    false,
    'channelsLast',
  );
}

/**
 * Gradient of a convolution with respect to its filter, dW[i, j] = Σ over outputs of x(i, j)ᵀ · dy.
 *
 * One matrix product [C, N] × [N, K] per tap. With x and dy on one grid (see frame.ts) the input of a tap is the same
 * memory seen from another start, so no patches are copied, and XNNPACK packs dy once for all taps.
 */
export const conv2DBackpropFilter = composed<
  { x: tf.TensorInfo; dy: tf.TensorInfo },
  ConvolutionAttributes & { filterShape: number[] }
>((workspace, { x, dy }, { filterShape, ...attributes }) => {
  const info = convolutionInfo('Conv2DBackpropFilter', x.shape, filterShape, attributes);
  const { inChannels, outChannels } = info;
  const frame = frameOf(info);
  const result = workspace.empty(filterShape);
  const source = inputFrame(workspace, frame, x, info, { transposed: true });
  const gradient = outputFrame(workspace, frame, dy, info);
  frameTaps(frame).forEach(({ block, shift }, tap) => {
    const input = workspace.view(source.data, source.start(block, shift), [inChannels, frame.size]);
    const product = workspace.run('BatchMatMul', { a: input, b: gradient }, { transposeA: false, transposeB: false });
    workspace.values(result).set(workspace.values(product), tap * inChannels * outChannels);
  });
  return result;
});

/**
 * Gradient of a convolution with respect to its input, as one forward convolution of dy.
 *
 * With stride s, position s·i + p of the padded input is Σ_u dy[i − u] · W[s·u + p]: all s² phases p are computed at
 * once as s²·C output channels of a convolution with ⌈k / s⌉ taps, then interleaved. At stride 1 this is the
 * convolution with the flipped filter.
 */
export const conv2DBackpropInput = composed<
  { dy: tf.TensorInfo; filter: tf.TensorInfo },
  ConvolutionAttributes & { inputShape: number[] }
>((workspace, { dy, filter }, { inputShape, ...attributes }) => {
  const info = convolutionInfo('Conv2DBackpropInput', inputShape, filter.shape, attributes);
  const { batchSize, inHeight, inWidth, inChannels, outChannels, strideHeight, strideWidth } = info;
  const rows = phaseAxis(inHeight, info.outHeight, info.filterHeight, strideHeight, info.padInfo.top);
  const columns = phaseAxis(inWidth, info.outWidth, info.filterWidth, strideWidth, info.padInfo.left);
  if (rows.count <= 0 || columns.count <= 0) return workspace.zeros(inputShape);

  const phased = workspace.empty([rows.taps, columns.taps, outChannels, strideHeight * strideWidth * inChannels]);
  {
    const heap = workspace.heap();
    const from = workspace.start(filter);
    let write = workspace.start(phased);
    for (let u = rows.taps - 1; u >= 0; u--) {
      for (let v = columns.taps - 1; v >= 0; v--) {
        for (let k = 0; k < outChannels; k++) {
          for (let p = 0; p < strideHeight; p++) {
            for (let q = 0; q < strideWidth; q++) {
              const [i, j] = [u * strideHeight + p, v * strideWidth + q];
              const inside = i < info.filterHeight && j < info.filterWidth;
              let read = from + (i * info.filterWidth + j) * inChannels * outChannels + k;
              for (let c = 0; c < inChannels; c++, read += outChannels) heap[write++] = inside ? heap[read] : 0;
            }
          }
        }
      }
    }
  }
  const cropped =
    rows.count < info.outHeight || columns.count < info.outWidth
      ? workspace.run(
          'Slice',
          { x: dy },
          {
            begin: [0, rows.begin, columns.begin, 0],
            size: [batchSize, rows.count, columns.count, outChannels],
          },
        )
      : dy;
  const phases = workspace.run(
    'Conv2D',
    { x: cropped, filter: phased },
    {
      strides: [1, 1],
      dilations: [1, 1],
      pad: [[0, 0], rows.pad, columns.pad, [0, 0]],
      dataFormat: 'NHWC',
    },
  );
  if (strideHeight === 1 && strideWidth === 1) return phases;

  const result = workspace.empty(inputShape);
  const heap = workspace.heap();
  const [from, to] = [workspace.start(phases), workspace.start(result)];
  const chunk = strideWidth * inChannels;
  // x of the first phase of each row, in elements; negative where the padding hides it
  const left = (columns.first * strideWidth - info.padInfo.left) * inChannels;
  const width = inWidth * inChannels;
  for (let b = 0; b < batchSize; b++) {
    for (let y = 0; y < inHeight; y++) {
      const padded = y + info.padInfo.top;
      const i = Math.floor(padded / strideHeight) - rows.first;
      const p = padded % strideHeight;
      const source = from + ((b * rows.outputs + i) * columns.outputs * strideHeight + p) * chunk;
      const target = to + (b * inHeight + y) * width;
      for (let j = 0; j < columns.outputs; j++) {
        const read = source + j * strideHeight * chunk;
        const x = left + j * chunk;
        const end = Math.min(chunk, width - x);
        for (let c = Math.max(0, -x); c < end; c++) heap[target + x + c] = heap[read + c];
      }
    }
  }
  return result;
});

/** Which rows of dy a phase convolution reads and with what padding; see {@link conv2DBackpropInput}. */
function phaseAxis(size: number, outputs: number, kernel: number, stride: number, before: number) {
  const taps = Math.ceil(kernel / stride);
  const first = Math.floor(before / stride);
  const last = Math.floor((before + size - 1) / stride);
  const start = first - (taps - 1);
  const begin = Math.max(0, start);
  const end = Math.min(outputs - 1, last);
  return {
    taps,
    first,
    /** Phase positions computed. */
    outputs: last - first + 1,
    begin,
    count: end - begin + 1,
    pad: [begin - start, last - end] as [number, number],
  };
}
