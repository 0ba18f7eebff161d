import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { createFeatureAdapter } from './feature-adapter.js';
import { spatialDivergence, spatialKl } from './spatial-kl.js';
import { expectValueAndGradient, valueAndGradient } from './test-support/gradient.js';
import { klOfLogits, makeLoss, mean, numbers, rows, sum } from './test-support/make.js';
import { Seeds } from '@retort/core';

const shapes = { student: { featureMap: [2, 2, 2] }, teacher: { featureMap: [2, 2, 3] } };
// Two samples of 2 × 2 positions and 3 channels.
const [s, t] = [numbers('student', 24, 4), numbers('teacher', 24, 4)];
const teacher = () => tf.tensor4d(t, [2, 2, 2, 3]);

function written(student: number[], tau: number): number[] {
  const channel = (map: number[], i: number, k: number) => rows(map.slice(12 * i, 12 * i + 12), 3).map((x) => x[k]);
  return [0, 1].map(
    (i) => tau * tau * mean([0, 1, 2].map((k) => klOfLogits(channel(student, i, k), channel(t, i, k), tau))),
  );
}

describeEachBackend('spatial kl', () => {
  it.each([1, 4])('matches the sum written out in float64 at tau %d, with its gradient', async (tau) => {
    await expectClose(spatialDivergence(tf.tensor4d(s, [2, 2, 2, 3]), teacher(), tau), written(s, tau));
    await expectValueAndGradient<tf.Tensor4D>(
      (x) => spatialDivergence(x, teacher(), tau),
      (x) => sum(written(x, tau)),
      s,
      [2, 2, 2, 3],
    );
  });

  it('does not see a constant added to a channel', async () => {
    await expectClose(spatialDivergence(teacher().add(tf.tensor1d([5, -2, 1])), teacher(), 4), [0, 0]);
  });

  it("hands out the adapted map it compared, fitnet's adapter", async () => {
    const loss = makeLoss(spatialKl, {}, shapes);
    const student = tf.tensor4d(numbers('map', 16), [2, 2, 2, 2]);
    const { adapted, perSample } = loss.apply(
      { featureMap: student },
      { featureMap: teacher() },
      { size: 2 },
      { training: true },
    );
    const adapter = createFeatureAdapter([2, 2, 2], [2, 2, 3], new Seeds(7).stream('init'));
    await expectClose(adapted!, adapter.apply(student, { training: true }));
    await expectClose(perSample, written(Array.from(await adapted!.data()), 4));
    expect(loss.adaptedShape).toEqual([2, 2, 3]);
    expect(Object.keys(loss.variables!)).toEqual(['kernel', 'bias', 'gamma', 'beta']);
    loss.dispose!();
    adapter.dispose();
  });

  it('is 0 for maps of one position or of zeros, and finite for large ones', async () => {
    await expectClose(spatialDivergence(tf.ones([2, 1, 1, 3]), tf.zeros([2, 1, 1, 3]), 4), [0, 0]);
    await expectClose(spatialDivergence(tf.zeros([2, 2, 2, 3]), tf.zeros([2, 2, 2, 3]), 4), [0, 0]);
    const { value, gradient } = await valueAndGradient<tf.Tensor4D>(
      (x) => spatialDivergence(x, tf.tensor4d([1e4, -1e4], [1, 1, 2, 1]), 4),
      [-1e4, 1e4],
      [1, 1, 2, 1],
    );
    expect([value, ...gradient].every(Number.isFinite)).toBe(true);
  });

  it('leaves no tensors', () =>
    expectNoLeak(() => {
      const loss = makeLoss(spatialKl, {}, shapes);
      const [a, b] = [tf.ones<tf.Rank.R4>([2, 2, 2, 2]), teacher()];
      const { perSample, adapted } = loss.apply({ featureMap: a }, { featureMap: b }, { size: 2 }, { training: true });
      tf.dispose([perSample, adapted!, a, b]);
      loss.dispose!();
    }));
});
