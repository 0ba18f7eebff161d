import { Seeds } from '@retort/core';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { createFeatureAdapter } from './feature-adapter.js';
import { numbers } from './test-support/make.js';

const random = () => new Seeds(7).stream('init');

describeEachBackend('feature adapter', () => {
  it('is conv2d with bias, batch normalization and ReLU', async () => {
    const adapter = createFeatureAdapter([2, 2, 3], [2, 2, 5], random());
    const { kernel, bias, gamma, beta } = adapter.variables;
    gamma.assign(tf.tensor1d(numbers('gamma', 5)));
    beta.assign(tf.tensor1d(numbers('beta', 5)));
    const x = tf.tensor4d(numbers('x', 36), [3, 2, 2, 3]);
    const convolved = tf.conv2d(x, kernel.reshape<tf.Tensor4D>([1, 1, 3, 5]), 1, 'same').add(bias);
    const { mean, variance } = tf.moments(convolved, [0, 1, 2]);
    const expected = tf
      .batchNorm(
        convolved as tf.Tensor4D,
        mean as tf.Tensor1D,
        variance as tf.Tensor1D,
        beta as tf.Tensor as tf.Tensor1D,
        gamma as tf.Tensor as tf.Tensor1D,
        1e-5,
      )
      .relu();
    await expectClose(adapter.apply(x, { training: true }), expected);
    adapter.dispose();
  });

  it('moves its averages in training only, and evaluates with them', async () => {
    const adapter = createFeatureAdapter([2, 2, 1], [2, 2, 1], random());
    const { kernel, bias } = adapter.variables;
    kernel.assign(tf.tensor2d([[2]]));
    bias.assign(tf.tensor1d([1]));
    const x = tf.tensor4d([1, 2, 3, 6], [1, 2, 2, 1]);
    await expectClose(adapter.apply(x, { training: false }), [3, 5, 7, 13]); // mean 0, variance 1: unchanged
    await expectClose(adapter.state.movingMean, [0]);
    adapter.apply(x, { training: true });
    // mapped: 3 5 7 13, mean 7, unbiased variance (16 + 4 + 0 + 36) / 3
    await expectClose(adapter.state.movingMean, [0.7]);
    await expectClose(adapter.state.movingVariance, [0.9 + 0.1 * (56 / 3)]);
    adapter.dispose();
  });

  it('starts from U(−1/√k, 1/√k), gamma 1 and beta 0, the same for the same seed', async () => {
    const [adapter, again] = [1, 2].map(() => createFeatureAdapter([4, 4, 16], [4, 4, 128], random()));
    const kernel = (await adapter.variables.kernel.data()) as Float32Array;
    expect(adapter.variables.kernel.shape).toEqual([16, 128]);
    expect(Math.max(...kernel.map(Math.abs))).toBeLessThanOrEqual(0.25);
    expect(Math.max(...kernel.map(Math.abs))).toBeGreaterThan(0.249);
    expect(Math.min(...kernel)).toBeLessThan(-0.249);
    const meanSquare = kernel.reduce((total, x) => total + x * x, 0) / kernel.length;
    expect(Math.abs(meanSquare - 0.25 ** 2 / 3)).toBeLessThan(0.001); // 2048 draws: four deviations
    await expectClose(again.variables.kernel, kernel, { absolute: 0, relative: 0 });
    await expectClose(adapter.variables.gamma, new Array(128).fill(1));
    await expectClose(adapter.variables.beta, new Array(128).fill(0));
    adapter.dispose();
    again.dispose();
  });

  it.each([
    [8, 4],
    [4, 8],
  ])("takes a %d × %d map to the teacher's size", (from, to) => {
    const adapter = createFeatureAdapter([from, from, 2], [to, to, 3], random());
    expect(adapter.apply(tf.ones([2, from, from, 2]), { training: false }).shape).toEqual([2, to, to, 3]);
    adapter.dispose();
  });

  it('leaves no tensors', () =>
    expectNoLeak(() => {
      const adapter = createFeatureAdapter([4, 4, 2], [2, 2, 3], random());
      const x = tf.ones<tf.Rank.R4>([2, 4, 4, 2]);
      tf.dispose([adapter.apply(x, { training: true }), adapter.apply(x, { training: false }), x]);
      adapter.dispose();
    }));
});
