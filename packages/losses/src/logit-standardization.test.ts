import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { knowledgeDistillation, softenedKl } from './knowledge-distillation.js';
import { standardizeLogits } from './logit-standardization.js';
import { expectValueAndGradient, valueAndGradient } from './test-support/gradient.js';
import { klOfLogits, makeLoss, mean, numbers, rows, sum } from './test-support/make.js';

const shapes = { student: { logits: [4] }, teacher: { logits: [4] } };
const [s, t] = [numbers('student', 12, 3), numbers('teacher', 12, 8)];

function standardized(z: number[]): number[] {
  const deviation = Math.sqrt(mean(z.map((x) => (x - mean(z)) ** 2)));
  return z.map((x) => (x - mean(z)) / deviation);
}

describeEachBackend('logit standardization', () => {
  it('gives every row mean 0 and deviation 1', async () => {
    await expectClose(standardizeLogits(tf.tensor2d(s, [3, 4])), rows(s, 4).flatMap(standardized));
  });

  it("gives the paper's example", async () => {
    // Sun et al. 2024, figure 2: the teacher's logits are (−3, 1, −1, 3) up to order, deviations divide by C − 1.
    const temperature = Math.sqrt(4 / 3);
    const teacher = standardizeLogits(tf.tensor2d([[-3, 3, 1, -1]]));
    await expectClose(teacher.div(temperature), [-1.162, 1.162, 0.387, -0.387], { absolute: 5e-4 });
    const first = standardizeLogits(tf.tensor2d([[-1.32, 0.66, 0.88, -0.22]]));
    const second = standardizeLogits(tf.tensor2d([[-0.3, 0.3, 0.1, -0.1]]));
    const loss = (student: tf.Tensor2D) => softenedKl(student, teacher, temperature).div(temperature ** 2);
    await expectClose(loss(first), [0.0995], { absolute: 2e-4 });
    await expectClose(loss(second), [0]);
  });

  it('makes kd blind to shift and scale of either side', async () => {
    const loss = makeLoss(knowledgeDistillation, { standardize: true, temperature: 2 }, shapes);
    const value = (student: tf.Tensor2D, teacher: tf.Tensor2D) =>
      loss.apply({ logits: student }, { logits: teacher }, { size: 3 }, { training: true }).perSample;
    const [a, b] = [tf.tensor2d(s, [3, 4]), tf.tensor2d(t, [3, 4])];
    const plain = await value(a, b).data();
    await expectClose(value(a.mul<tf.Tensor2D>(7).add(2), b.mul<tf.Tensor2D>(0.125).sub(3)), plain);
    await expectClose(value(b.mul(3), b), [0, 0, 0]);
  });

  it('matches kd on standardized logits in float64, with its gradient', async () => {
    const loss = makeLoss(knowledgeDistillation, { standardize: true, temperature: 2 }, shapes);
    await expectValueAndGradient<tf.Tensor2D>(
      (logits) => loss.apply({ logits }, { logits: tf.tensor2d(t, [3, 4]) }, { size: 3 }, { training: true }).perSample,
      (x) => sum(rows(x, 4).map((row, i) => 4 * klOfLogits(standardized(row), standardized(rows(t, 4)[i]), 2))),
      s,
      [3, 4],
    );
  });

  it.each([
    ['zeros', [0, 0, 0, 0]],
    ['equal logits', [1e4 / 3, 1e4 / 3, 1e4 / 3, 1e4 / 3]],
  ])('gives zeros without gradient for %s', async (_, row) => {
    const weights = tf.tensor2d([[1, 2, 3, 4]]);
    const { value, gradient } = await valueAndGradient<tf.Tensor2D>(
      (x) => standardizeLogits(x).mul(weights),
      row,
      [1, 4],
    );
    expect(value).toBe(0);
    await expectClose(gradient, [0, 0, 0, 0], { absolute: 0 });
  });

  it('gives 0 for one class', async () => {
    await expectClose(standardizeLogits(tf.tensor2d([[5], [-2]])), [0, 0], { absolute: 0 });
  });

  it('leaves no tensors', () =>
    expectNoLeak(() => {
      const loss = makeLoss(knowledgeDistillation, { standardize: true }, shapes);
      const [a, b] = [tf.tensor2d(s, [3, 4]), tf.tensor2d(t, [3, 4])];
      const { perSample } = loss.apply({ logits: a }, { logits: b }, { size: 3 }, { training: true });
      tf.dispose([perSample, a, b]);
    }));
});
