import { describeEachBackend, expectClose, expectNoLeak, numericalGradient } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { fitnet, meanSquareDifference } from './fitnet.js';
import { makeLoss, numbers, sum } from './test-support/make.js';

const shapes = { student: { featureMap: [1, 2, 2] }, teacher: { featureMap: [1, 2, 3] } };
const [s, t] = [numbers('student', 8), numbers('teacher', 12)];
const maps = () => ({
  student: { featureMap: tf.tensor4d(s, [2, 1, 2, 2]) },
  teacher: { featureMap: tf.tensor4d(t, [2, 1, 2, 3]) },
});

/** The whole loss, adapter included, summed over samples, in float64. */
function written(kernel: number[], bias: number[], gamma: number[], beta: number[]): number {
  const pixels = [0, 1, 2, 3].map((i) =>
    [0, 1, 2].map((c) => bias[c] + s[2 * i] * kernel[c] + s[2 * i + 1] * kernel[3 + c]),
  );
  const mean = [0, 1, 2].map((c) => sum(pixels.map((pixel) => pixel[c])) / 4);
  const variance = [0, 1, 2].map((c) => sum(pixels.map((pixel) => (pixel[c] - mean[c]) ** 2)) / 4);
  const adapted = pixels.flatMap((pixel) =>
    pixel.map((x, c) => Math.max(0, (gamma[c] * (x - mean[c])) / Math.sqrt(variance[c] + 1e-5) + beta[c])),
  );
  return sum(adapted.map((x, i) => (x - t[i]) ** 2)) / 6;
}

describeEachBackend('fitnet', () => {
  it('matches adapter and mean square written out in float64, with its gradients', async () => {
    const loss = makeLoss(fitnet, {}, shapes);
    const { kernel, bias, gamma, beta } = loss.variables!;
    gamma.assign(tf.tensor1d([1.25, 0.75, 1.5]));
    beta.assign(tf.tensor1d([0.5, 0.25, -0.125]));
    const parameters = await Promise.all([kernel, bias, gamma, beta].map(async (v) => Array.from(await v.data())));
    const { value, grads } = tf.variableGrads(() => {
      const { student, teacher } = maps();
      return loss.apply(student, teacher, { size: 2 }, { training: true }).perSample.sum() as tf.Scalar;
    }, [kernel, bias, gamma, beta]);
    await expectClose(value, [written(...(parameters as [number[], number[], number[], number[]]))]);
    for (const [i, variable] of [kernel, bias, gamma, beta].entries()) {
      const expected = numericalGradient((x) => {
        const changed = parameters.map((p, j) => (i === j ? x : p)) as [number[], number[], number[], number[]];
        return written(...changed);
      }, parameters[i]);
      await expectClose(grads[variable.name], expected, { absolute: 2e-4, relative: 1e-3 });
    }
    loss.dispose!();
  });

  it('hands out the adapted map it compared', async () => {
    const loss = makeLoss(fitnet, {}, shapes);
    const { student, teacher } = maps();
    const { adapted, perSample } = loss.apply(student, teacher, { size: 2 }, { training: true });
    expect(adapted!.shape).toEqual([2, ...loss.adaptedShape!]);
    expect(loss.adaptedShape).toEqual([1, 2, 3]);
    const a = await adapted!.data();
    await expectClose(
      perSample,
      [0, 6].map((start) => sum([0, 1, 2, 3, 4, 5].map((i) => (a[start + i] - t[start + i]) ** 2)) / 6),
    );
    loss.dispose!();
  });

  it('does not depend on the scale of features when normalized', async () => {
    const [a, b] = [tf.tensor4d(numbers('a', 12), [2, 1, 2, 3]), tf.tensor4d(t, [2, 1, 2, 3])];
    const plain = await meanSquareDifference(a, b).data();
    const meanSquare = sum(t.map((x) => x * x)) / 12;
    const expected = Array.from(plain, (x) => x / meanSquare);
    await expectClose(meanSquareDifference(a, b, true), expected);
    await expectClose(meanSquareDifference(a.mul(100), b.mul(100), true), expected);
  });

  it('stays finite where the teacher gives zeros or the student a constant map', async () => {
    const loss = makeLoss(fitnet, { normalize: true }, shapes);
    const { perSample } = loss.apply(
      { featureMap: tf.ones([2, 1, 2, 2]) },
      { featureMap: tf.zeros([2, 1, 2, 3]) },
      { size: 2 },
      { training: true },
    );
    for (const value of await perSample.data()) expect(Number.isFinite(value)).toBe(true);
    loss.dispose!();
  });

  it('leaves no tensors', () =>
    expectNoLeak(() => {
      const loss = makeLoss(fitnet, { normalize: true }, shapes);
      const { student, teacher } = maps();
      const { perSample, adapted } = loss.apply(student, teacher, { size: 2 }, { training: true });
      tf.dispose([perSample, adapted!, student, teacher]);
      loss.dispose!();
    }));
});

describe('fitnet', () => {
  it('keeps the keys that checkpoints use', () => {
    const loss = makeLoss(fitnet, {}, shapes);
    expect(Object.keys(loss.variables!)).toEqual(['kernel', 'bias', 'gamma', 'beta']);
    expect(Object.keys(loss.state!)).toEqual(['movingMean', 'movingVariance']);
    loss.dispose!();
  });

  it('refuses what is not a map', () => {
    expect(() => makeLoss(fitnet, {}, { ...shapes, teacher: { featureMap: [64] } })).toThrow(
      'losses[2]: teacher "r56" gives "featureMap" as [B, 64], loss "fitnet" needs [B, H, W, K]',
    );
  });
});
