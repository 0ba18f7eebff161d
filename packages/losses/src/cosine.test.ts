import { describeEachBackend, expectClose, expectNoLeak, numericalGradient } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { cosine, cosineDistance } from './cosine.js';
import { makeLoss, numbers, sum } from './test-support/make.js';

const dot = (a: number[], b: number[]) => sum(a.map((x, i) => x * b[i]));
const written = (a: number[], b: number[]) => 1 - dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
const [s, t] = [numbers('student', 4), numbers('teacher', 6)];

describeEachBackend('cosine', () => {
  it('is 0 along, 1 across and 2 against', async () => {
    const [a, b] = [
      tf.tensor2d([
        [3, 0],
        [3, 0],
        [1, 1],
      ]),
      tf.tensor2d([
        [7, 0],
        [0, 2],
        [-2, -2],
      ]),
    ];
    await expectClose(cosineDistance(a, b), [0, 1, 2]);
  });

  it('compares equal sizes as they are', async () => {
    const loss = makeLoss(cosine, { adapter: 'none' }, { student: { embedding: [2] }, teacher: { embedding: [2] } });
    expect(loss.variables).toEqual({});
    const { perSample } = loss.apply(
      { embedding: tf.tensor2d(s, [2, 2]) },
      { embedding: tf.tensor2d(t.slice(0, 4), [2, 2]) },
      { size: 2 },
      { training: true },
    );
    await expectClose(perSample, [written(s.slice(0, 2), t.slice(0, 2)), written(s.slice(2), t.slice(2, 4))]);
  });

  it('maps unequal sizes linearly, with the gradients of finite differences', async () => {
    const loss = makeLoss(cosine, {}, { student: { embedding: [2] }, teacher: { embedding: [3] } });
    const { kernel, bias } = loss.variables!;
    const parameters = [...(await kernel.data()), ...(await bias.data())];
    const total = (p: number[]) =>
      sum(
        [0, 1].map((i) =>
          written(
            [0, 1, 2].map((c) => s[2 * i] * p[c] + s[2 * i + 1] * p[3 + c] + p[6 + c]),
            t.slice(3 * i, 3 * i + 3),
          ),
        ),
      );
    const { value, grads } = tf.variableGrads(
      () =>
        loss
          .apply(
            { embedding: tf.tensor2d(s, [2, 2]) },
            { embedding: tf.tensor2d(t, [2, 3]) },
            { size: 2 },
            { training: true },
          )
          .perSample.sum() as tf.Scalar,
      [kernel, bias],
    );
    await expectClose(value, [total(parameters)]);
    const expected = numericalGradient(total, parameters);
    await expectClose(grads[kernel.name], expected.slice(0, 6), { absolute: 1e-4, relative: 1e-3 });
    await expectClose(grads[bias.name], expected.slice(6), { absolute: 1e-4, relative: 1e-3 });
    loss.dispose!();
  });

  it('gives 1 and no gradient for a zero vector', async () => {
    const a = tf.variable(tf.zeros([1, 3]));
    const { value, grads } = tf.variableGrads(
      () => cosineDistance(a as tf.Tensor as tf.Tensor2D, tf.zeros([1, 3])).sum() as tf.Scalar,
      [a],
    );
    await expectClose(value, [1]);
    await expectClose(grads[a.name], [0, 0, 0]);
    a.dispose();
  });

  it('leaves no tensors', () =>
    expectNoLeak(() => {
      const loss = makeLoss(cosine, {}, { student: { embedding: [2] }, teacher: { embedding: [3] } });
      const [a, b] = [tf.tensor2d(s, [2, 2]), tf.tensor2d(t, [2, 3])];
      const { perSample } = loss.apply({ embedding: a }, { embedding: b }, { size: 2 }, { training: true });
      tf.dispose([perSample, a, b]);
      loss.dispose!();
    }));
});

describe('cosine', () => {
  it('refuses unequal sizes without an adapter, naming both and the remedy', () => {
    expect.assertions(2);
    try {
      makeLoss(
        cosine,
        { adapter: 'none' },
        { student: { embedding: [64], logits: [10] }, teacher: { embedding: [256] } },
      );
    } catch (error) {
      expect((error as Error).message).toBe(
        'losses[2]: teacher "r56" gives "embedding" as [B, 256], the student as [B, 64]; ' +
          'loss "cosine" without an adapter compares equal sizes',
      );
      expect((error as { hints: string[] }).hints).toEqual([
        'the student offers: embedding [B, 64], logits [B, 10]',
        'teacher "r56" offers: embedding [B, 256]',
        'choose another tap, or add an adapter: losses[2].adapter: linear',
      ]);
    }
  });
});
