import { Seeds } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { describeEachBackend, expectClose, expectNoLeak, numericalGradient } from '@retort-tools/testing';
import { createDirichlet, dirichletEntropy, dirichletLogProbability } from './dirichlet.js';
import { drawNoise } from './distribution.js';
import { sampledEntropy, sampleMany, scoreOf } from './test-support/distributions.js';

const sum = (x: number[]) => x.reduce((a, b) => a + b, 0);
/** Lanczos (g = 7, n = 9), float64. */
function lgamma(x: number): number {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - lgamma(1 - x);
  const c = [
    0.9999999999998099, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
    12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
  ];
  const t = x + 6.5;
  const series = c.reduce((total, value, i) => (i === 0 ? value : total + value / (x - 1 + i)), 0);
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(series);
}
const digamma = (x: number) => (lgamma(x + 1e-5) - lgamma(x - 1e-5)) / 2e-5;
const softplus = (x: number) => Math.log1p(Math.exp(x));
const concentrationOf = (x: number) => 0.01 + softplus(x + Math.log(Math.expm1(0.99)));
const logDensity = (alpha: number[], w: number[]) =>
  lgamma(sum(alpha)) - sum(alpha.map(lgamma)) + sum(alpha.map((a, m) => (a - 1) * Math.log(w[m])));

const parameters = [-1.5, 0, 4];
const alpha = parameters.map(concentrationOf);

describeEachBackend('dirichlet', () => {
  const distribution = createDirichlet(3);

  it('is uniform for parameters of zero: density Γ(3) everywhere', async () => {
    const actions = tf.tensor2d([
      [0.2, 0.3, 0.5],
      [0.98, 0.01, 0.01],
    ]);
    await expectClose(distribution.logProbability(tf.zeros([2, 3]), actions), [Math.LN2, Math.LN2]);
  });

  it('has the density and score written out in float64', async () => {
    const w = [0.05, 0.15, 0.8];
    await expectClose(dirichletLogProbability(tf.tensor2d([alpha]), tf.tensor2d([w])), [logDensity(alpha, w)]);
    const expected = numericalGradient((x) => logDensity(x.map(concentrationOf), w), parameters);
    await expectClose(scoreOf(distribution, parameters, tf.tensor2d([w])), expected, { absolute: 1e-4 });
  });

  it('has the entropy of its samples', async () => {
    const total = sum(alpha);
    const expected =
      sum(alpha.map(lgamma)) -
      lgamma(total) +
      (total - 3) * digamma(total) -
      sum(alpha.map((a) => (a - 1) * digamma(a)));
    await expectClose(dirichletEntropy(tf.tensor2d([alpha])), [expected], { absolute: 1e-4 });
    expect(sampledEntropy(distribution, parameters, 4000, new Seeds(3).stream('a'))).toBeCloseTo(expected, 1);
  });

  it('draws with the moments of the distribution, concentrations below and above 1', async () => {
    const n = 4000;
    const { action, rows } = sampleMany(distribution, parameters, n, new Seeds(1).stream('a'));
    const total = sum(alpha);
    const mean = alpha.map((a) => a / total);
    const variance = mean.map((m) => (m * (1 - m)) / (total + 1));
    const w = action as tf.Tensor2D;
    await expectClose(w.sum(1).min(), [1]);
    await expectClose(w.mean(0), mean, { absolute: 4 * Math.sqrt(Math.max(...variance) / n), relative: 0 });
    await expectClose(w.sub(mean).square().mean(0), variance, { absolute: 0, relative: 0.1 });
    // E log w_m = ψ(α_m) − ψ(α_0): the lower tail, where small concentrations live
    await expectClose(
      w.maximum(1e-30).log().mean(0),
      alpha.map((a) => digamma(a) - digamma(total)),
      { absolute: 0.02, relative: 0.05 },
    );
    await expectClose(distribution.mode(tf.tensor2d([parameters])), mean);
    tf.dispose([action, rows]);
  });

  it('is the same whatever the order of components', async () => {
    const noise = drawNoise(distribution.noise(1), new Seeds(4).stream('a'));
    const order = [2, 0, 1];
    const draw = (permute: (x: tf.Tensor) => tf.Tensor) =>
      distribution.sample(
        permute(tf.tensor2d([parameters])) as tf.Tensor2D,
        Object.fromEntries(Object.entries(noise).map(([k, { data, shape }]) => [k, permute(tf.tensor(data, shape))])),
      );
    const permute = (x: tf.Tensor) => tf.gather(x, order, x.rank - 1);
    await expectClose(draw(permute), permute(draw((x) => x)));
  });

  it('stays finite at the corners and for the least concentration', async () => {
    const tiny = tf.tensor2d([[-50, -50, -50]]);
    const { action, rows } = sampleMany(distribution, [-50, -50, -50], 256, new Seeds(1).stream('a'));
    expect((await tf.isFinite(action).all().data())[0]).toBe(1);
    await expectClose((action as tf.Tensor2D).sum(1), new Array<number>(256).fill(1));
    const corner = distribution.logProbability(tiny, tf.tensor2d([[1, 0, 0]]));
    expect(Number.isFinite((await corner.data())[0])).toBe(true);
    tf.dispose([action, rows]);
  });

  it('leaves no tensors', () =>
    expectNoLeak(() => {
      const { action, rows } = sampleMany(distribution, parameters, 4, new Seeds(1).stream('a'));
      tf.dispose([action, rows, distribution.logProbability(rows, action), distribution.entropy(rows)]);
    }));
});
