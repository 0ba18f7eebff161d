import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { dist, interClassDistance, intraClassDistance } from './dist.js';
import { expectValueAndGradient, valueAndGradient } from './test-support/gradient.js';
import { dot, makeLoss, mean, numbers, rows, softmax, sum } from './test-support/make.js';

const shapes = { student: { logits: [4] }, teacher: { logits: [4] } };
const [s, t] = [numbers('student', 20, 3), numbers('teacher', 20, 3)];

function correlation(a: number[], b: number[]): number {
  const [x, y] = [a, b].map((values) => values.map((value) => value - mean(values)));
  return dot(x, y) / (Math.sqrt(dot(x, x)) * Math.sqrt(dot(y, y)) + 1e-8);
}
const probabilities = (z: number[], tau: number) => rows(z, 4).map((row) => softmax(row, tau));
const transposed = (table: number[][]) => table[0].map((_, c) => table.map((row) => row[c]));
const inter = (z: number[], tau: number) => {
  const [p, q] = [probabilities(z, tau), probabilities(t, tau)];
  return p.map((row, i) => 1 - correlation(row, q[i]));
};
const intra = (z: number[], tau: number) => {
  const [p, q] = [transposed(probabilities(z, tau)), transposed(probabilities(t, tau))];
  return mean(p.map((column, c) => 1 - correlation(column, q[c])));
};
const apply = (options: object, student: tf.Tensor2D, teacher: tf.Tensor2D) =>
  makeLoss(dist, options, shapes).apply(
    { logits: student },
    { logits: teacher },
    { size: student.shape[0] },
    { training: true },
  );

describeEachBackend('dist', () => {
  it.each([
    [{}, 1, 1, 1],
    [{ tau: 4, beta: 2, gamma: 0.5 }, 4, 16 * 2, 16 * 0.5],
    [{ tau: 4, squareTau: false }, 4, 1, 1],
  ])('matches correlations written out in float64 with %j', async (options, tau, beta, gamma) => {
    const { perSample, batch } = apply(options, tf.tensor2d(s, [5, 4]), tf.tensor2d(t, [5, 4]));
    expect(perSample.shape).toEqual([5]);
    expect(batch!.shape).toEqual([]);
    await expectClose(
      perSample,
      inter(s, tau).map((x) => beta * x),
    );
    await expectClose(batch!, [gamma * intra(s, tau)]);
  });

  it.each([1, 4])('has the gradients of finite differences at tau %d', async (tau) => {
    const teacher = tf.tensor2d(t, [5, 4]);
    await expectValueAndGradient<tf.Tensor2D>(
      (x) => interClassDistance(x, teacher, tau),
      (x) => sum(inter(x, tau)),
      s,
      [5, 4],
    );
    await expectValueAndGradient<tf.Tensor2D>(
      (x) => intraClassDistance(x, teacher, tau),
      (x) => intra(x, tau),
      s,
      [5, 4],
    );
  });

  it('is 0 for the same predictions and 2 for opposite ones', async () => {
    const same = apply({}, tf.tensor2d(t, [5, 4]), tf.tensor2d(t, [5, 4]));
    await expectClose(same.perSample, [0, 0, 0, 0, 0]);
    await expectClose(same.batch!, [0]);
    // Two classes: swapping them mirrors the probabilities about one half.
    const [a, b] = [
      tf.tensor2d([
        [1, 3],
        [2, -1],
      ]),
      tf.tensor2d([
        [3, 1],
        [-1, 2],
      ]),
    ];
    await expectClose(interClassDistance(a, b), [2, 2]);
    await expectClose(intraClassDistance(a, b), [2]);
  });

  it.each([
    ['a batch of one', s.slice(0, 4), t.slice(0, 4)],
    ['a student of equal logits', new Array<number>(20).fill(0.1), t],
    ['a teacher of equal logits', s, new Array<number>(20).fill(-3)],
  ])('has no gradient from what does not vary: %s', async (name, student, teacher) => {
    const b = tf.tensor2d(teacher, [teacher.length / 4, 4]);
    const { value, gradient } = await valueAndGradient<tf.Tensor2D>((x) => intraClassDistance(x, b), student, b.shape);
    expect(value).toBe(1);
    expect(gradient.every((g) => g === 0)).toBe(true);
    const ofSamples = await valueAndGradient<tf.Tensor2D>((x) => interClassDistance(x, b), student, b.shape);
    if (name === 'a batch of one') expect(ofSamples.gradient.some((g) => g !== 0)).toBe(true);
    else {
      expect(ofSamples.value).toBe(5);
      expect(ofSamples.gradient.every((g) => g === 0)).toBe(true);
    }
  });

  it('stays finite for certain predictions and for one class', async () => {
    const certain = tf.tensor2d([1e4, -1e4, 0, 0, -1e4, 1e4, 0, 0], [2, 4]);
    for (const loss of [interClassDistance, intraClassDistance]) {
      const { value, gradient } = await valueAndGradient<tf.Tensor2D>(
        (x) => loss(x, certain),
        [-1e4, 1e4, 0, 0, 1e4, -1e4, 0, 0],
        [2, 4],
      );
      expect([value, ...gradient].every(Number.isFinite)).toBe(true);
    }
    const single = makeLoss(dist, {}, { student: { logits: [1] }, teacher: { logits: [1] } }).apply(
      { logits: tf.tensor2d([[3], [1]]) },
      { logits: tf.tensor2d([[2], [5]]) },
      { size: 2 },
      { training: true },
    );
    await expectClose(single.perSample, [1, 1]);
    await expectClose(single.batch!, [1]);
  });

  it('leaves no tensors', () =>
    expectNoLeak(() => {
      const [a, b] = [tf.tensor2d(s, [5, 4]), tf.tensor2d(t, [5, 4])];
      const { perSample, batch } = apply({ tau: 4 }, a, b);
      tf.dispose([perSample, batch!, a, b]);
    }));
});

describe('dist', () => {
  it('refuses a teacher of other classes', () => {
    expect(() => makeLoss(dist, {}, { student: { logits: [10] }, teacher: { logits: [1000] } })).toThrow(
      'loss "dist" compares the same classes',
    );
  });
});
