import * as tf from '@tensorflow/tfjs';
import { expectClose } from '@retort-tools/testing';
import { expectAsCpu, gradients, useOnnxRuntime } from '../test-support/against-cpu.js';

const recorded = ['MaxPool', 'MaxPoolGrad', 'AvgPool', 'AvgPoolGrad'];

beforeAll(useOnnxRuntime);

/** [x, filter, strides, pad] */
const cases: [number[], [number, number], [number, number], 'same' | 'valid' | number][] = [];
for (const filter of [
  [2, 2],
  [3, 3],
  [3, 2],
  [1, 1],
] as [number, number][])
  for (const strides of [
    [1, 1],
    [2, 2],
    [3, 2],
  ] as [number, number][])
    for (const pad of ['same', 'valid'] as const) cases.push([[2, 7, 8, 3], filter, strides, pad]);
// The last: tfjs makes fewer windows than there is room for.
cases.push([[2, 6, 6, 2], [3, 3], [2, 2], 1], [[2, 6, 9, 2], [4, 2], [2, 2], 1]);

describe.each(['maxPool', 'avgPool'] as const)('%s', (name) => {
  it.each(cases)('of %j, filter %j, strides %j, pad %j', async (x, filter, strides, pad) => {
    const body = (a: tf.Tensor) => tf[name](a as tf.Tensor4D, filter, strides, pad);
    await expectAsCpu([x], body, { recorded });
    await expectAsCpu([x], gradients(body), { recorded });
  });
});

describe('maxPoolWithArgmax', () => {
  it.each(cases.filter(([, , , pad]) => typeof pad === 'string'))(
    'of %j, filter %j, strides %j, pad %j',
    async (x, filter, strides, pad) => {
      for (const includeBatch of [false, true])
        await expectAsCpu([x], (a) => {
          const { result, indexes } = tf.maxPoolWithArgmax(
            a as tf.Tensor4D,
            filter,
            strides,
            pad as 'same',
            includeBatch,
          );
          return [result, indexes];
        });
    },
  );
});

describe('maxPool', () => {
  it('gives the gradient of a tie to the first maximum', async () => {
    const inputs = [Float32Array.from({ length: 32 }, (_, i) => [1, 1, 0, 1, 0][i % 5])];
    const body = (a: tf.Tensor) => tf.maxPool(a as tf.Tensor4D, 3, 2, 'same');
    await expectAsCpu([[1, 4, 4, 2]], gradients(body), { recorded, inputs });
  });

  it('of negative numbers sees no zeros beyond the edges', async () => {
    await useOnnxRuntime();
    const y = tf.tidy(() => tf.maxPool(tf.tensor4d([-3, -1, -2, -5], [1, 2, 2, 1]), 2, 1, 'same'));
    await expectClose(y, [-1, -1, -2, -5]);
    y.dispose();
  });
});
