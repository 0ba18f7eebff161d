import { describeEachBackend, expectClose, expectNoLeak, numericalGradient } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { batchNorm } from './batch-norm.js';
import { numbers } from './test-support/numbers.js';

const [count, channels] = [8, 2]; // [2, 2, 2, 2]
const x0 = numbers('x', count * channels);
const gamma0 = [1.5, -0.75];
const beta0 = [0.25, 0.5];
const averages = { mean: [0.5, -0.25], variance: [2, 0.5] };

const make = () =>
  tf.tidy(() => ({
    gamma: tf.variable(tf.tensor1d(gamma0)),
    beta: tf.variable(tf.tensor1d(beta0)),
    movingMean: tf.variable(tf.tensor1d(averages.mean), false),
    movingVariance: tf.variable(tf.tensor1d(averages.variance), false),
  }));
const input = () => tf.tensor4d(x0, [2, 2, 2, channels]);

const column = (x: number[], c: number) => x.filter((_, i) => i % channels === c);
const meanOf = (values: number[]) => values.reduce((a, b) => a + b) / values.length;
const varianceOf = (values: number[]) => meanOf(values.map((value) => (value - meanOf(values)) ** 2));

/** Normalization with the batch in float64. */
const written = (x: number[], gamma: number[], beta: number[]) =>
  x.map((value, i) => {
    const c = i % channels;
    const values = column(x, c);
    return (gamma[c] * (value - meanOf(values))) / Math.sqrt(varianceOf(values) + 1e-5) + beta[c];
  });

describeEachBackend('batchNorm', () => {
  it.each(['train', 'batch'] as const)('normalizes with the batch in mode %s', async (mode) => {
    const variables = make();
    await expectClose(batchNorm(input(), variables, mode), written(x0, gamma0, beta0));
    tf.dispose(variables);
  });

  it('normalizes with the averages in mode evaluate', async () => {
    const variables = make();
    const expected = x0.map((value, i) => {
      const c = i % channels;
      return (gamma0[c] * (value - averages.mean[c])) / Math.sqrt(averages.variance[c] + 1e-5) + beta0[c];
    });
    await expectClose(batchNorm(input(), variables, 'evaluate'), expected);
    tf.dispose(variables);
  });

  it('moves the averages by a tenth in mode train, the variance unbiased, and in no other', async () => {
    const variables = make();
    for (const mode of ['batch', 'evaluate'] as const) batchNorm(input(), variables, mode);
    await expectClose(variables.movingMean, averages.mean, { absolute: 0 });
    await expectClose(variables.movingVariance, averages.variance, { absolute: 0 });
    batchNorm(input(), variables, 'train');
    await expectClose(
      variables.movingMean,
      averages.mean.map((old, c) => 0.9 * old + 0.1 * meanOf(column(x0, c))),
    );
    await expectClose(
      variables.movingVariance,
      averages.variance.map((old, c) => 0.9 * old + (0.1 * varianceOf(column(x0, c)) * count) / (count - 1)),
    );
    tf.dispose(variables);
  });

  it('takes momentum and epsilon', async () => {
    const variables = make();
    const y = batchNorm(tf.tensor2d([3, 0, 5, 0], [2, 2]), variables, 'train', { momentum: 0, epsilon: 3 });
    await expectClose(y, [-1.5 / 2 + 0.25, 0.5, 1.5 / 2 + 0.25, 0.5]); // variance 1, and 3 added to it
    await expectClose(variables.movingMean, [4, 0]);
    await expectClose(variables.movingVariance, [2, 0]);
    tf.dispose(variables);
  });

  it.each(['train', 'evaluate'] as const)('has the gradients of finite differences in mode %s', async (mode) => {
    const variables = make();
    const weights = numbers('weights', count * channels);
    const x = tf.variable(input());
    const { gamma, beta } = variables;
    const { grads } = tf.variableGrads(
      () =>
        batchNorm(x as tf.Tensor as tf.Tensor4D, variables, mode)
          .mul(tf.tensor4d(weights, [2, 2, 2, channels]))
          .sum() as tf.Scalar,
      [x, gamma, beta],
    );
    const evaluated = (x: number[], gamma: number[], beta: number[]) =>
      x.map((value, i) => {
        const c = i % channels;
        return (gamma[c] * (value - averages.mean[c])) / Math.sqrt(averages.variance[c] + 1e-5) + beta[c];
      });
    const total = (x: number[], gamma: number[], beta: number[]) =>
      (mode === 'train' ? written : evaluated)(x, gamma, beta).reduce((sum, y, i) => sum + y * weights[i], 0);
    const tolerance = { absolute: 1e-4, relative: 1e-3 };
    await expectClose(
      grads[x.name],
      numericalGradient((v) => total(v, gamma0, beta0), x0),
      tolerance,
    );
    await expectClose(
      grads[gamma.name],
      numericalGradient((v) => total(x0, v, beta0), gamma0),
      tolerance,
    );
    await expectClose(
      grads[beta.name],
      numericalGradient((v) => total(x0, gamma0, v), beta0),
      tolerance,
    );
    tf.dispose([variables, x]);
  });

  it('gives beta, and finite numbers, for a constant channel', async () => {
    const variables = make();
    await expectClose(batchNorm(tf.ones([3, 2]), variables, 'train'), [0.25, 0.5, 0.25, 0.5, 0.25, 0.5]);
    await expectClose(batchNorm(tf.ones([1, 2]), variables, 'train'), [0.25, 0.5]); // one value a channel
    expect(Array.from(await variables.movingVariance.data()).every(Number.isFinite)).toBe(true);
    tf.dispose(variables);
  });

  it('leaves no tensors, under a gradient too', () =>
    expectNoLeak(() => {
      const variables = make();
      const x = input();
      for (const mode of ['train', 'batch', 'evaluate'] as const) {
        const { value, grads } = tf.variableGrads(
          () => batchNorm(x, variables, mode).sum() as tf.Scalar,
          [variables.gamma, variables.beta],
        );
        tf.dispose([value, ...Object.values(grads)]);
      }
      tf.dispose([x, variables]);
    }));
});
