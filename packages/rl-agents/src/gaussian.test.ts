import { Seeds } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { describeEachBackend, expectClose, numericalGradient } from '@retort-tools/testing';
import { createGaussian } from './gaussian.js';
import { createLogisticNormal } from './logistic-normal.js';
import { sampledEntropy, sampleMany, scoreOf } from './test-support/distributions.js';

const logNormal = (x: number, mean: number, deviation: number) =>
  -0.5 * ((x - mean) / deviation) ** 2 - Math.log(deviation) - 0.5 * Math.log(2 * Math.PI);
const entropyOf = (deviation: number) => 0.5 * Math.log(2 * Math.PI * Math.E) + Math.log(deviation);

describeEachBackend('gaussian', () => {
  const distribution = createGaussian({ low: [-2, 0], high: [2, 10] });
  const parameters = [0.3, -0.5, Math.log(0.4), Math.log(0.7)];
  const density = ([m0, m1, s0, s1]: number[], [a, b]: number[]) =>
    logNormal(Math.atanh(a / 2), m0, Math.exp(s0)) + logNormal(Math.atanh((b - 5) / 5), m1, Math.exp(s1));

  it('has the density of tanh⁻¹ of the scaled action, and its score', async () => {
    const action = [1.1, 3];
    const taken = tf.tensor2d([action]);
    await expectClose(distribution.logProbability(tf.tensor2d([parameters]), taken), [density(parameters, action)]);
    const expected = numericalGradient((x) => density(x, action), parameters);
    await expectClose(scoreOf(distribution, parameters, taken), expected, { absolute: 1e-4 });
  });

  it('draws within the bounds, with the entropy it says', async () => {
    const expected = entropyOf(0.4) + entropyOf(0.7);
    await expectClose(distribution.entropy(tf.tensor2d([parameters])), [expected]);
    expect(sampledEntropy(distribution, parameters, 10_000, new Seeds(1).stream('a'))).toBeCloseTo(expected, 1);
    const { action, rows } = sampleMany(distribution, [0, 0, 2, 2], 500, new Seeds(1).stream('a'));
    const values = await (action as tf.Tensor2D).array();
    expect(values.every(([a, b]) => Math.abs(a) <= 2 && b >= 0 && b <= 10)).toBe(true);
    await expectClose(distribution.mode(tf.tensor2d([parameters])), [2 * Math.tanh(0.3), 5 + 5 * Math.tanh(-0.5)]);
    tf.dispose([action, rows]);
  });

  it('stays finite at the bounds', async () => {
    const at = distribution.logProbability(tf.tensor2d([parameters]), tf.tensor2d([[2, 0]]));
    expect(Number.isFinite((await at.data())[0])).toBe(true);
  });

  it('refuses bounds that are infinite or in the wrong order', () => {
    expect(() => createGaussian({ low: [-Infinity], high: [1] })).toThrow(/finite bounds/);
    expect(() => createGaussian({ low: [1], high: [1] })).toThrow(/finite bounds/);
  });
});

describeEachBackend('logistic-normal', () => {
  it('with two components is the Gaussian of their log-odds', async () => {
    const distribution = createLogisticNormal(2);
    const [mean, deviation, w] = [[0.7, -0.2], 0.6, 0.9];
    // log w1 − log w2 ~ N(μ1 − μ2, 2σ²); the centered logit is that over √2, along the unit vector of the subspace.
    const density = ([m1, m2, s]: number[]) =>
      logNormal(Math.log(w / (1 - w)) / Math.SQRT2, (m1 - m2) / Math.SQRT2, Math.exp(s));
    const parameters = [...mean, Math.log(deviation)];
    const action = tf.tensor2d([[w, 1 - w]]);
    await expectClose(distribution.logProbability(tf.tensor2d([parameters]), action), [density(parameters)]);
    const expected = numericalGradient(density, parameters);
    await expectClose(scoreOf(distribution, parameters, action), expected, { absolute: 1e-4 });
  });

  it('has density ratios of weights that integrate to one: E_p[q/p] = 1', async () => {
    const distribution = createLogisticNormal(3);
    const { rows, action } = sampleMany(distribution, [0.2, -0.4, 0.5, 0], 20_000, new Seeds(5).stream('a'));
    const other = tf.tile(tf.tensor2d([[0.5, 0.1, 0.1, Math.log(0.8)]]), [20_000, 1]) as tf.Tensor2D;
    const ratio = distribution
      .logProbability(other, action)
      .sub(distribution.logProbability(rows, action))
      .exp()
      .mean();
    await expectClose(ratio, [1], { absolute: 0.03 });
    tf.dispose([rows, action, other]);
  });

  it('has the entropy of M − 1 Gaussians and of its samples', async () => {
    const distribution = createLogisticNormal(4);
    const parameters = [1, 0, -1, 0.3, Math.log(0.5)];
    await expectClose(distribution.entropy(tf.tensor2d([parameters])), [3 * entropyOf(0.5)]);
    expect(sampledEntropy(distribution, parameters, 10_000, new Seeds(1).stream('a'))).toBeCloseTo(
      3 * entropyOf(0.5),
      1,
    );
  });

  it('does not mind a constant on all means, the order of components, or a weight of 0', async () => {
    const distribution = createLogisticNormal(3);
    const base = distribution.logProbability(tf.tensor2d([[0.2, -1, 0.5, 0.1]]), tf.tensor2d([[0.2, 0.3, 0.5]]));
    const shifted = distribution.logProbability(tf.tensor2d([[5.2, 4, 5.5, 0.1]]), tf.tensor2d([[0.2, 0.3, 0.5]]));
    const permuted = distribution.logProbability(tf.tensor2d([[0.5, 0.2, -1, 0.1]]), tf.tensor2d([[0.5, 0.2, 0.3]]));
    await expectClose(shifted, base);
    await expectClose(permuted, base);
    const corner = distribution.logProbability(tf.tensor2d([[0.2, -1, 0.5, 0.1]]), tf.tensor2d([[1, 0, 0]]));
    expect(Number.isFinite((await corner.data())[0])).toBe(true);
  });

  it('of one component is certain: weight 1, density and entropy of nothing', async () => {
    const distribution = createLogisticNormal(1);
    const { rows, action } = sampleMany(distribution, [0.3, 0], 3, new Seeds(1).stream('a'));
    await expectClose(action, [1, 1, 1]);
    await expectClose(distribution.logProbability(rows, action), [0, 0, 0]);
    await expectClose(distribution.entropy(rows), [0, 0, 0]);
    tf.dispose([rows, action]);
  });
});
