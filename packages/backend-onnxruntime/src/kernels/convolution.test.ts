import * as tf from '@tensorflow/tfjs';
import { expectClose } from '@retort-tools/testing';
import { expectAsCpu, gradients, noise, useOnnxRuntime } from '../test-support/against-cpu.js';

type Pad = 'same' | 'valid' | number | tf.backend_util.ExplicitPadding;
type Pair = [number, number];

const recorded = [
  'Conv2D',
  'Conv2DBackpropInput',
  'Conv2DBackpropFilter',
  'FusedConv2D',
  'DepthwiseConv2dNative',
  'DepthwiseConv2dNativeBackpropInput',
  'DepthwiseConv2dNativeBackpropFilter',
  'FusedDepthwiseConv2D',
];

beforeAll(useOnnxRuntime);

/** [x, filter, strides, pad, dilations] */
const cases: [number[], number[], Pair, Pad, Pair][] = [];
for (const [h, w] of [
  [3, 3],
  [1, 1],
  [2, 3],
  [5, 1],
]) {
  for (const strides of [
    [1, 1],
    [2, 2],
    [2, 1],
    [3, 3],
  ] as Pair[]) {
    for (const pad of ['same', 'valid'] as const) {
      cases.push([[2, 7, 8, 3], [h, w, 3, 4], strides, pad, [1, 1]]);
    }
  }
}
const explicit: tf.backend_util.ExplicitPadding = [[0, 0], [1, 2], [0, 3], [0, 0]]; // prettier-ignore
cases.push(
  [[1, 5, 5, 1], [3, 3, 1, 1], [1, 1], 1, [1, 1]],
  [[3, 6, 5, 4], [3, 2, 4, 2], [1, 1], explicit, [1, 1]],
  [[3, 6, 5, 4], [3, 2, 4, 2], [2, 2], explicit, [1, 1]],
  [[2, 9, 8, 3], [3, 3, 3, 2], [1, 1], 'same', [2, 2]],
  [[2, 9, 8, 3], [2, 3, 3, 2], [1, 1], 'valid', [2, 1]],
  [[1, 4, 4, 2], [1, 1, 2, 3], [2, 2], 1, [1, 1]],
  // tfjs makes fewer windows here than there is room for.
  [[2, 5, 8, 2], [3, 1, 2, 3], [3, 1], 1, [1, 1]],
  [[1, 5, 9, 2], [4, 2, 2, 3], [2, 2], 1, [1, 1]],
  // Windows that see nothing but the pad.
  [[1, 5, 2, 2], [3, 1, 2, 3], [2, 1], 1, [1, 1]],
  [[1, 5, 2, 2], [3, 1, 2, 3], [2, 2], 1, [1, 1]],
);

describe('conv2d', () => {
  it.each(cases)('of %j with %j, strides %j, pad %j, dilations %j', async (x, filter, strides, pad, dilations) => {
    const body = (a: tf.Tensor, b: tf.Tensor) =>
      tf.conv2d(a as tf.Tensor4D, b as tf.Tensor4D, strides, pad, 'NHWC', dilations);
    await expectAsCpu([x, filter], body, { recorded });
    if (dilations[0] * dilations[1] === 1) await expectAsCpu([x, filter], gradients(body), { recorded });
  });

  it('agrees with loops in float64', async () => {
    await useOnnxRuntime();
    const [height, width, channels, filters, stride] = [7, 6, 3, 4, 2];
    const [x, filter] = [noise([1, height, width, channels], 1), noise([3, 3, channels, filters], 2)];
    const expected: number[] = [];
    // 'same' pads the odd height by one on both sides, the even width at the end only.
    for (let y = 0; y < 4; y++)
      for (let z = 0; z < 3; z++)
        for (let k = 0; k < filters; k++) {
          let sum = 0;
          for (let i = 0; i < 3; i++)
            for (let j = 0; j < 3; j++) {
              const [row, column] = [y * stride + i - 1, z * stride + j];
              if (row < 0 || row >= height || column >= width) continue;
              for (let c = 0; c < channels; c++)
                sum += x[(row * width + column) * channels + c] * filter[((i * 3 + j) * channels + c) * filters + k];
            }
          expected.push(sum);
        }
    const actual = tf.tidy(() =>
      tf.conv2d(
        tf.tensor4d(x, [1, height, width, channels]),
        tf.tensor4d(filter, [3, 3, channels, filters]),
        stride,
        'same',
      ),
    );
    await expectClose(actual, expected);
    actual.dispose();
  });

  it('takes channels first', async () => {
    for (const pad of ['same', explicit.map((_, i) => explicit[[0, 3, 1, 2][i]]) as typeof explicit] as const)
      await expectAsCpu(
        [
          [2, 3, 7, 6],
          [3, 3, 3, 4],
        ],
        (x, filter) => tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 2, pad, 'NCHW'),
        { recorded },
      );
  });

  it('gradients of the filter alone, more and fewer channels than filters', async () => {
    for (const [c, k] of [
      [2, 5],
      [5, 2],
    ]) {
      const x = tf.tensor4d(noise([2, 6, 5, c], 9), [2, 6, 5, c]);
      await expectAsCpu(
        [[3, 3, c, k]],
        gradients((filter) =>
          tf.conv2d(tf.tensor4d(noise([2, 6, 5, c], 9), [2, 6, 5, c]), filter as tf.Tensor4D, 1, 'same'),
        ),
        { recorded },
      );
      x.dispose();
    }
  });

  it.each(['relu', 'relu6', 'elu', 'sigmoid', 'leakyrelu', 'linear', 'prelu'] as const)(
    'fused with %s',
    async (activation) => {
      for (const size of [1, 3]) {
        await expectAsCpu(
          [[2, 5, 6, 3], [size, size, 3, 4], [4], [4]],
          (x, filter, bias, alpha) =>
            tf.fused.conv2d({
              x: x as tf.Tensor4D,
              filter: filter as tf.Tensor4D,
              strides: 1,
              pad: 'same',
              bias,
              activation,
              preluActivationWeights: activation === 'prelu' ? alpha : undefined,
              leakyreluAlpha: 0.3,
            }),
          { recorded },
        );
        await expectAsCpu(
          [[2, 5, 6, 3], [size, size, 3, 2], [6], [6]],
          (x, filter, bias, alpha) =>
            tf.fused.depthwiseConv2d({
              x: x as tf.Tensor4D,
              filter: filter as tf.Tensor4D,
              strides: 1,
              pad: 'same',
              bias,
              activation,
              preluActivationWeights: activation === 'prelu' ? alpha : undefined,
              leakyreluAlpha: 0.3,
            }),
          { recorded },
        );
      }
    },
  );
});

describe('conv2dTranspose', () => {
  it.each([
    [[2, 3, 4, 3], [3, 3, 2, 3], 2, 'same', [2, 6, 8, 2]],
    [[2, 3, 4, 3], [3, 3, 2, 3], 2, 'same', [2, 5, 7, 2]],
    [[2, 3, 4, 3], [4, 4, 2, 3], 2, 'same', [2, 6, 8, 2]],
    [[2, 3, 4, 3], [2, 2, 2, 3], 1, 'valid', [2, 4, 5, 2]],
    [[1, 3, 3, 2], [1, 1, 4, 2], 2, 'same', [1, 6, 6, 4]],
  ] as const)('of %j with %j, stride %j, %s, to %j', async (x, filter, stride, pad, shape) => {
    const body = (a: tf.Tensor, b: tf.Tensor) =>
      tf.conv2dTranspose(a as tf.Tensor4D, b as tf.Tensor4D, shape.slice() as never, stride, pad);
    await expectAsCpu([x, filter], body, { recorded });
    await expectAsCpu([x, filter], gradients(body), { recorded });
  });
});

describe('depthwiseConv2d', () => {
  const depthwise = cases
    .map(
      ([x, filter, strides, pad, dilations]) => [x, [filter[0], filter[1], x[3], 2], strides, pad, dilations] as const,
    )
    .filter(([, , [a, b]]) => a === b);
  it.each(depthwise)('of %j with %j, strides %j, pad %j, dilations %j', async (x, filter, strides, pad, dilations) => {
    for (const multiplier of [1, 2]) {
      const shapes = [x, [...filter.slice(0, 3), multiplier]];
      const body = (a: tf.Tensor, b: tf.Tensor) =>
        tf.depthwiseConv2d(a as tf.Tensor4D, b as tf.Tensor4D, strides, pad, 'NHWC', dilations);
      await expectAsCpu(shapes, body, { recorded });
      if (dilations[0] * dilations[1] === 1) await expectAsCpu(shapes, gradients(body), { recorded });
    }
  });
});
