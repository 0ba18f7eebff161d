import * as tf from '@tensorflow/tfjs';
import { register } from '../index.js';
import { expectAsCpu, gradients, useOnnxRuntime } from '../test-support/against-cpu.js';

beforeAll(async () => {
  register({ threads: 2 });
  await useOnnxRuntime();
});

describe('on two threads, the gradients of a convolution', () => {
  it.each<[number[], number[], number]>([
    [[2, 8, 8, 16], [3, 3, 16, 16], 1], // prettier-ignore
    [[4, 8, 8, 3], [3, 3, 3, 5], 2], // prettier-ignore
    [[1, 5, 5, 2], [3, 3, 2, 3], 1], // prettier-ignore
    [[2, 4, 4, 6], [1, 1, 6, 4], 1], // prettier-ignore
  ])('of %j by %j, stride %d', async (x, filter, stride) => {
    const body = (a: tf.Tensor, b: tf.Tensor) => tf.conv2d(a as tf.Tensor4D, b as tf.Tensor4D, stride, 'same');
    await expectAsCpu([x, filter], gradients(body));
  });
});
