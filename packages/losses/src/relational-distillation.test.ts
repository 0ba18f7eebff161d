import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { angleRelation, distanceRelation, relationalDistillation } from './relational-distillation.js';
import { expectValueAndGradient, valueAndGradient } from './test-support/gradient.js';
import { dot, makeLoss, mean, numbers, rows, sum } from './test-support/make.js';

// Five samples; the student has 3 features, the teacher 2.
const [s, t] = [numbers('student', 15), numbers('teacher', 10)];
const teacher = () => tf.tensor2d(t, [5, 2]);

const difference = (a: number[], b: number[]) => a.map((x, d) => x - b[d]);
const length = (a: number[]) => Math.sqrt(dot(a, a));
const huber = (x: number) => (Math.abs(x) <= 1 ? (x * x) / 2 : Math.abs(x) - 0.5);

function relativeDistances(x: number[][]): number[] {
  const distances = x.flatMap((a) => x.map((b) => length(difference(a, b))));
  const mu = sum(distances) / (x.length * (x.length - 1));
  return distances.map((d) => d / mu);
}
function cosines(x: number[][]): number[] {
  return x.flatMap((vertex, j) =>
    x.flatMap((a, i) =>
      x.map((b, k) => {
        if (i === j || k === j) return 0;
        const [u, v] = [difference(a, vertex), difference(b, vertex)];
        return dot(u, v) / (length(u) * length(v));
      }),
    ),
  );
}
const compare = (relation: (x: number[][]) => number[]) => (x: number[]) => {
  const [a, b] = [relation(rows(x, 3)), relation(rows(t, 2))];
  return mean(a.map((value, at) => huber(value - b[at])));
};

describeEachBackend('rkd', () => {
  it('matches distances written out in float64, with the gradient of finite differences', () =>
    expectValueAndGradient<tf.Tensor2D>((x) => distanceRelation(x, teacher()), compare(relativeDistances), s, [5, 3]));

  it('matches angles written out in float64, with the gradient of finite differences', () =>
    expectValueAndGradient<tf.Tensor2D>((x) => angleRelation(x, teacher()), compare(cosines), s, [5, 3]));

  it('is linear beyond a difference of one', async () => {
    // Relative distances (1.5, 1.5, 0) against (0, 1.5, 1.5): two pairs differ by 1.5, each counted twice among nine.
    const [a, b] = [tf.tensor2d([[0], [1], [1]]), tf.tensor2d([[0], [0], [1]])];
    await expectClose(distanceRelation(a, b), [(4 * (1.5 - 0.5)) / 9]);
  });

  it('does not see moves, turns and scalings of a whole batch', async () => {
    const moved = rows(t, 2).map(([x, y]) => [3 * y + 1, -3 * x + 2]);
    await expectClose(distanceRelation(tf.tensor2d(moved), teacher()), [0]);
    await expectClose(angleRelation(tf.tensor2d(moved), teacher()), [0]);
  });

  it('is one weighted value per batch, with zeros per sample', async () => {
    const loss = makeLoss(
      relationalDistillation,
      { distance: 2, angle: 3 },
      { student: { embedding: [3] }, teacher: { embedding: [2] } },
    );
    const { perSample, batch } = loss.apply(
      { embedding: tf.tensor2d(s, [5, 3]) },
      { embedding: teacher() },
      { size: 5 },
      { training: true },
    );
    await expectClose(perSample, [0, 0, 0, 0, 0], { absolute: 0 });
    await expectClose(batch!, [2 * compare(relativeDistances)(s) + 3 * compare(cosines)(s)]);
  });

  it.each([
    ['a batch of one', [1, 2, 3], [1, 2]],
    ['samples at one place', [1, 2, 3, 1, 2, 3], [0, 0, 0, 0]],
    ['zeros', [0, 0, 0, 0, 0, 0], [1, 2, 3, 4]],
    ['two samples', [1, 2, 3, -1, 2, 5], [1, 2, 3, 4]],
  ])('stays finite, with a finite gradient, for %s', async (name, student, other) => {
    const b = tf.tensor2d(other, [other.length / 2, 2]);
    for (const relation of [distanceRelation, angleRelation]) {
      const { value, gradient } = await valueAndGradient<tf.Tensor2D>((x) => relation(x, b), student, [b.shape[0], 3]);
      expect(Number.isFinite(value)).toBe(true);
      expect(gradient.every(Number.isFinite)).toBe(true);
      if (name === 'a batch of one' || name === 'samples at one place') expect(value).toBe(0);
    }
  });

  it('keeps a finite gradient where two of many samples coincide', async () => {
    const tied = [...s.slice(0, 3), ...s.slice(0, 3), ...s.slice(6)];
    for (const relation of [distanceRelation, angleRelation]) {
      const { gradient } = await valueAndGradient<tf.Tensor2D>((x) => relation(x, teacher()), tied, [5, 3]);
      expect(gradient.every(Number.isFinite)).toBe(true);
      expect(Math.max(...gradient.map(Math.abs))).toBeLessThan(10);
    }
  });

  it('leaves no tensors', () =>
    expectNoLeak(() => {
      const loss = makeLoss(relationalDistillation, {}, { student: { embedding: [3] }, teacher: { embedding: [2] } });
      const [a, b] = [tf.tensor2d(s, [5, 3]), teacher()];
      const { perSample, batch } = loss.apply({ embedding: a }, { embedding: b }, { size: 5 }, { training: true });
      tf.dispose([perSample, batch!, a, b]);
    }));
});
