import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { knowledgeDistillation, softenedKl } from './knowledge-distillation.js';
import { makeLoss, softmax, sum } from './test-support/make.js';

const student = [
  [1.5, -0.25, 0.5],
  [-2, 3, 0.125],
];
const teacher = [
  [4, 1, -1],
  [0.5, 2, 2],
];

/** T² Σ p_T (log p_T − log p_S) */
function written(s: number[], t: number[], T: number): number {
  const [p, q] = [softmax(s, T), softmax(t, T)];
  return T * T * sum(q.map((_, c) => q[c] * (Math.log(q[c]) - Math.log(p[c]))));
}

describeEachBackend('kd', () => {
  it.each([1, 2, 4])('matches the sum written out in float64 at T = %d', async (T) => {
    const loss = makeLoss(
      knowledgeDistillation,
      { temperature: T },
      { student: { logits: [3] }, teacher: { logits: [3] } },
    );
    const { perSample, batch } = loss.apply(
      { logits: tf.tensor2d(student) },
      { logits: tf.tensor2d(teacher) },
      { size: 2 },
      { training: true },
    );
    await expectClose(
      perSample,
      student.map((row, i) => written(row, teacher[i], T)),
    );
    expect(batch).toBeUndefined();
  });

  it('is zero exactly where student and teacher differ by a constant', async () => {
    const shifted = student.map((row) => row.map((x) => x + 5));
    await expectClose(softenedKl(tf.tensor2d(student), tf.tensor2d(shifted), 4), [0, 0], { absolute: 1e-5 });
    const moved = await softenedKl(tf.tensor2d(student), tf.tensor2d(teacher), 4).data();
    expect(Math.min(...moved)).toBeGreaterThan(0.1);
  });

  it.each([1, 4])(
    'has gradient T · (softmax(z_S / T) − softmax(z_T / T)) at T = %d, and none for the teacher',
    async (T) => {
      const [s, t] = [tf.variable(tf.tensor2d(student)), tf.variable(tf.tensor2d(teacher))];
      const { grads } = tf.variableGrads(
        () =>
          softenedKl(s as tf.Tensor as tf.Tensor2D, t as tf.Tensor as tf.Tensor2D, T)
            .sum()
            .add(t.sum().mul(0)) as tf.Scalar,
        [s, t],
      );
      await expectClose(
        grads[s.name],
        student.flatMap((row, i) => row.map((_, c) => T * (softmax(row, T)[c] - softmax(teacher[i], T)[c]))),
      );
      await expectClose(grads[t.name], [0, 0, 0, 0, 0, 0]);
      tf.dispose([s, t]);
    },
  );

  it('stays finite, with a finite gradient, when student and teacher are certain', async () => {
    const s = tf.variable(
      tf.tensor2d([
        [-1e4, 1e4, 0],
        [1e4, -1e4, 0],
      ]),
    );
    const t = tf.tensor2d([
      [1e4, -1e4, 0],
      [1e4, -1e4, 0],
    ]);
    const { value, grads } = tf.variableGrads(
      () => softenedKl(s as tf.Tensor as tf.Tensor2D, t, 4).sum() as tf.Scalar,
      [s],
    );
    await expectClose(value, [(16 * 2e4) / 4]);
    await expectClose(grads[s.name], [-4, 4, 0, 0, 0, 0]);
    s.dispose();
  });

  it('leaves no tensors', () =>
    expectNoLeak(() => {
      const [s, t] = [tf.tensor2d(student), tf.tensor2d(teacher)];
      tf.dispose([softenedKl(s, t, 4), s, t]);
    }));
});

describe('kd', () => {
  it('refuses a teacher of other classes, naming it and both shapes', () => {
    expect(() =>
      makeLoss(knowledgeDistillation, {}, { student: { logits: [10] }, teacher: { logits: [1000] } }),
    ).toThrow(
      'losses[2]: teacher "r56" gives "logits" as [B, 1000], the student as [B, 10]; loss "kd" compares the same classes',
    );
  });

  it('refuses a teacher without logits, naming what it has', () => {
    expect.assertions(2);
    try {
      makeLoss(knowledgeDistillation, {}, { student: { logits: [10] }, teacher: { embedding: [64] } });
    } catch (error) {
      expect((error as Error).message).toBe('losses[2]: teacher "r56" gives no "logits", loss "kd" needs [B, C]');
      expect((error as { hints: string[] }).hints[0]).toBe('teacher "r56" offers: embedding [B, 64]');
    }
  });
});
