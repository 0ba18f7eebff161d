import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { attentionDistance, attentionTransfer } from './attention-transfer.js';
import { expectValueAndGradient, valueAndGradient } from './test-support/gradient.js';
import { dot, makeLoss, mean, numbers, rows, sum } from './test-support/make.js';

// Two samples of 2 × 2 positions; the student has 3 channels, the teacher 2.
const [s, t] = [numbers('student', 24), numbers('teacher', 16)];
const teacher = () => tf.tensor4d(t, [2, 2, 2, 2]);

function attention(map: number[], channels: number): number[] {
  const q = rows(map, channels).map((pixel) => dot(pixel, pixel));
  return q.map((x) => x / Math.sqrt(dot(q, q)));
}
function written(student: number[]): number[] {
  return [0, 1].map((i) => {
    const a = attention(student.slice(12 * i, 12 * i + 12), 3);
    const b = attention(t.slice(8 * i, 8 * i + 8), 2);
    return mean(a.map((x, at) => (x - b[at]) ** 2));
  });
}

describeEachBackend('attention transfer', () => {
  it('matches the maps written out in float64, per sample, with the gradient of finite differences', async () => {
    await expectClose(attentionDistance(tf.tensor4d(s, [2, 2, 2, 3]), teacher()), written(s));
    await expectValueAndGradient<tf.Tensor4D>(
      (x) => attentionDistance(x, teacher()),
      (x) => sum(written(x)),
      s,
      [2, 2, 2, 3],
    );
  });

  it('does not depend on the sign, the scale or the order of channels', async () => {
    const flipped = rows(s, 3).flatMap(([a, b, c]) => [-9 * c, 9 * a, 9 * b]);
    await expectClose(attentionDistance(tf.tensor4d(flipped, [2, 2, 2, 3]), teacher()), written(s));
  });

  it('is 0 for the same map, and 2 / positions for disjoint ones', async () => {
    await expectClose(attentionDistance(teacher(), teacher()), [0, 0]);
    const [left, right] = [tf.tensor4d([5, 0], [1, 1, 2, 1]), tf.tensor4d([0, 3], [1, 1, 2, 1])];
    await expectClose(attentionDistance(left, right), [1]);
  });

  it('averages the larger map down, whichever side it is on', async () => {
    const large = tf.tensor4d([1, 3, 5, 7, 2, 2, 4, 4], [1, 2, 4, 1]);
    const small = tf.tensor4d([2, 5], [1, 1, 2, 1]); // means of the halves
    await expectClose(attentionDistance(large, small), [0]);
    await expectClose(attentionDistance(small, large), [0]);
    const other = tf.tensor4d([5, 2], [1, 1, 2, 1]);
    expect((await attentionDistance(large, other).data())[0]).toBeGreaterThan(0.1);
  });

  it('compares a map of zeros as zeros, without gradient', async () => {
    const { value, gradient } = await valueAndGradient<tf.Tensor4D>(
      (x) => attentionDistance(x, teacher().slice([0], [1])),
      new Array<number>(12).fill(0),
      [1, 2, 2, 3],
    );
    expect(value).toBeCloseTo(1 / 4, 5);
    expect(gradient.every((g) => Math.abs(g) === 0)).toBe(true);
  });

  it('leaves no tensors', () =>
    expectNoLeak(() => {
      const loss = makeLoss(
        attentionTransfer,
        {},
        { student: { featureMap: [4, 4, 3] }, teacher: { featureMap: [2, 2, 2] } },
      );
      const [a, b] = [tf.ones<tf.Rank.R4>([2, 4, 4, 3]), teacher()];
      const { perSample } = loss.apply({ featureMap: a }, { featureMap: b }, { size: 2 }, { training: true });
      tf.dispose([perSample, a, b]);
    }));
});

describe('attention transfer', () => {
  it('refuses what is not a map', () => {
    expect(() =>
      makeLoss(attentionTransfer, {}, { student: { featureMap: [8, 8, 64] }, teacher: { featureMap: [64] } }),
    ).toThrow('losses[2]: teacher "r56" gives "featureMap" as [B, 64], loss "attention-transfer" needs [B, H, W, K]');
  });
});
