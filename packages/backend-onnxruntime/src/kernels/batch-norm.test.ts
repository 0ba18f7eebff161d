import * as tf from '@tensorflow/tfjs';
import { expectAsCpu, gradients, useOnnxRuntime } from '../test-support/against-cpu.js';

const recorded = ['FusedBatchNorm'];

beforeAll(useOnnxRuntime);

describe('batchNorm', () => {
  it.each([
    [[2, 3, 4, 5], [5]],
    [[6, 5], [5]],
    [
      [2, 3, 4],
      [2, 3, 4],
    ],
  ])('of %j with statistics %j', async (x, statistics) => {
    for (const [withOffset, withScale] of [
      [true, true],
      [false, true],
      [true, false],
      [false, false],
    ]) {
      const body = (a: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor, offset: tf.Tensor, scale: tf.Tensor) => {
        const y = tf.batchNorm(
          a,
          mean as tf.Tensor1D,
          tf.square(variance) as tf.Tensor1D,
          withOffset ? (offset as tf.Tensor1D) : undefined,
          withScale ? (scale as tf.Tensor1D) : undefined,
          0.01,
        );
        return withOffset && withScale ? y : tf.add(y, tf.mul(tf.add(offset, scale), 0.1));
      };
      const shapes = [x, statistics, statistics, statistics, statistics];
      await expectAsCpu(shapes, body, { recorded });
      // tfjs cannot derive a batch-norm without scale and offset.
      if (withOffset && withScale) await expectAsCpu(shapes, gradients(body), { recorded });
    }
  });
});
