import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { decoupledDistillation, decoupledKl } from './decoupled-distillation.js';
import { softenedKl } from './knowledge-distillation.js';
import { standardizeLogits } from './logit-standardization.js';
import { expectValueAndGradient, valueAndGradient } from './test-support/gradient.js';
import { klOfLogits, makeLoss, numbers, rows, softmax, sum } from './test-support/make.js';

const shapes = { student: { logits: [4] }, teacher: { logits: [4] } };
const [s, t] = [numbers('student', 12, 3), numbers('teacher', 12, 3)];
const labels = [2, 0, 3];
const label = () => tf.tensor1d(labels, 'int32');

function written(student: number[], teacher: number[], y: number, T: number): { target: number; others: number } {
  const binary = (z: number[]) => {
    const p = softmax(z, T)[y];
    return [Math.log(p), Math.log(1 - p)];
  };
  const rest = (z: number[]) => z.filter((_, c) => c !== y);
  return {
    target: T * T * klOfLogits(binary(student), binary(teacher)),
    others: T * T * klOfLogits(rest(student), rest(teacher), T),
  };
}
const all = (student: number[], T: number) =>
  rows(student, 4).map((row, i) => written(row, rows(t, 4)[i], labels[i], T));

describeEachBackend('dkd', () => {
  it.each([1, 4])('matches both parts written out in float64 at T = %d', async (T) => {
    const { target, others } = decoupledKl(tf.tensor2d(s, [3, 4]), tf.tensor2d(t, [3, 4]), label(), T);
    await expectClose(
      target,
      all(s, T).map((parts) => parts.target),
    );
    await expectClose(
      others,
      all(s, T).map((parts) => parts.others),
    );
  });

  it('adds up to kd: target + (1 − p_T(y)) · others', async () => {
    const [a, b] = [tf.tensor2d(s, [3, 4]), tf.tensor2d(t, [3, 4])];
    const { target, others } = decoupledKl(a, b, label(), 4);
    const rest = rows(t, 4).map((row, i) => 1 - softmax(row, 4)[labels[i]]);
    await expectClose(target.add(others.mul(tf.tensor1d(rest))), softenedKl(a, b, 4));
  });

  it('weighs the parts by alpha and beta, with the gradient of finite differences', async () => {
    const loss = makeLoss(decoupledDistillation, { alpha: 0.5, beta: 3, temperature: 2 }, shapes);
    await expectValueAndGradient<tf.Tensor2D>(
      (logits) =>
        loss.apply({ logits }, { logits: tf.tensor2d(t, [3, 4]) }, { size: 3, label: label() }, { training: true })
          .perSample,
      (x) => sum(all(x, 2).map(({ target, others }) => 0.5 * target + 3 * others)),
      s,
      [3, 4],
    );
  });

  it('standardizes both sides first when asked to', async () => {
    const loss = makeLoss(decoupledDistillation, { standardize: true, temperature: 2 }, shapes);
    const [a, b] = [tf.tensor2d(s, [3, 4]), tf.tensor2d(t, [3, 4])];
    const { target, others } = decoupledKl(standardizeLogits(a), standardizeLogits(b), label(), 2);
    await expectClose(
      loss.apply({ logits: a }, { logits: b }, { size: 3, label: label() }, { training: true }).perSample,
      target.add(others.mul(8)),
    );
  });

  it('has nothing but the target part with two classes, which is kd', async () => {
    const [a, b] = [tf.tensor2d(s.slice(0, 6), [3, 2]), tf.tensor2d(t.slice(0, 6), [3, 2])];
    const { target, others } = decoupledKl(a, b, tf.tensor1d([0, 1, 0], 'int32'), 4);
    await expectClose(others, [0, 0, 0]);
    await expectClose(target, softenedKl(a, b, 4));
  });

  it('is 0 with one class', async () => {
    const one = tf.tensor1d([0, 0], 'int32');
    const { value, gradient } = await valueAndGradient<tf.Tensor2D>(
      (x) => {
        const { target, others } = decoupledKl(x, tf.tensor2d([[2], [-1]]), one, 4);
        return target.add(others);
      },
      [5, 7],
      [2, 1],
    );
    await expectClose([value, ...gradient], [0, 0, 0]);
  });

  it('stays finite when both sides are certain, of the label or of another class', async () => {
    const teacher = tf.tensor2d([1e4, -1e4, 0, -1e4, 1e4, 0, 0, 0, 0], [3, 3]);
    const { value, gradient } = await valueAndGradient<tf.Tensor2D>(
      (x) => {
        const { target, others } = decoupledKl(x, teacher, tf.tensor1d([0, 0, 0], 'int32'), 4);
        return target.add(others);
      },
      [-1e4, 1e4, 0, 1e4, -1e4, 0, 0, 0, 0],
      [3, 3],
    );
    expect([value, ...gradient].every(Number.isFinite)).toBe(true);
    expect(value).toBeGreaterThan(1e4);
  });

  it('leaves no tensors', () =>
    expectNoLeak(() => {
      const loss = makeLoss(decoupledDistillation, { standardize: true }, shapes);
      const [a, b, y] = [tf.tensor2d(s, [3, 4]), tf.tensor2d(t, [3, 4]), label()];
      const { perSample } = loss.apply({ logits: a }, { logits: b }, { size: 3, label: y }, { training: true });
      tf.dispose([perSample, a, b, y]);
    }));
});

describe('dkd', () => {
  it('refuses a batch without labels', () => {
    const loss = makeLoss(decoupledDistillation, {}, shapes);
    expect(() => loss.apply({}, {}, { size: 1 }, { training: true })).toThrow(
      'losses[2]: loss "dkd" needs labels, the data set gives none',
    );
  });

  it('refuses mixed images', () => {
    const loss = makeLoss(decoupledDistillation, {}, shapes);
    const labels = { label: label(), otherLabel: label(), labelShare: tf.tensor1d([1, 0.5, 0]) };
    expect(() => loss.apply({}, {}, { size: 3, ...labels }, { training: true })).toThrow(
      'losses[2]: loss "dkd" needs one label an image, and the data set mixes images',
    );
  });
});
