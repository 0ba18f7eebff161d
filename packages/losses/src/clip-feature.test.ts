import { describeEachBackend, expectClose, expectNoLeak, numericalGradient } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { clipFeature, unitDistance } from './clip-feature.js';
import { cosineDistance } from './cosine.js';
import { expectValueAndGradient } from './test-support/gradient.js';
import { makeLoss, sum } from './test-support/make.js';
import { mapped, output, packed, pairs, reordered, unit, unpacked, unpackedOutput } from './test-support/pairs.js';
import type { WrittenPairs } from './test-support/pairs.js';

const shapes = (student: number, teacher: number) => ({
  student: { imageEmbedding: [student], textEmbedding: [student] },
  teacher: { imageEmbedding: [teacher], textEmbedding: [teacher] },
});
const [s, t, narrow] = [pairs('student', 4, 3, 5), pairs('teacher', 4, 3, 20), pairs('narrow', 4, 2, 5)];
const squared = (a: number[], b: number[]) => sum(unit(a).map((x, d) => (x - unit(b)[d]) ** 2));
const written = (student: WrittenPairs, teacher: WrittenPairs) =>
  student.image.map((row, i) => squared(row, teacher.image[i]) + squared(student.text[i], teacher.text[i]));

describeEachBackend('clip-feature', () => {
  it('matches the squared distances of both sides written out in float64, with their gradient', async () => {
    const loss = makeLoss(clipFeature, {}, shapes(3, 3));
    expect(loss.variables).toEqual({});
    const apply = (student: ReturnType<typeof output>) =>
      loss.apply(student, output(t), { size: 4 }, { training: true }).perSample;
    await expectClose(apply(output(s)), written(s, t));
    await expectValueAndGradient<tf.Tensor1D>(
      (x) => apply(unpackedOutput(x, 4, 3)),
      (x) => sum(written(unpacked(x, 4, 3), t)),
      packed(s),
      [25],
    );
  });

  it('follows the order of pairs', async () => {
    const loss = makeLoss(clipFeature, {}, shapes(3, 3));
    const order = [3, 1, 0, 2];
    const [a, b] = [output(reordered(s, order)), output(reordered(t, order))];
    const expected = written(s, t);
    await expectClose(
      loss.apply(a, b, { size: 4 }, { training: true }).perSample,
      order.map((i) => expected[i]),
    );
  });

  it('is twice the cosine distance of a side, 0 along and 4 against', async () => {
    const [a, b] = [tf.tensor2d(s.image), tf.tensor2d(t.image)];
    await expectClose(unitDistance(a, b), cosineDistance(a, b).mul(2));
    await expectClose(unitDistance(a, a.mul(3)), [0, 0, 0, 0]);
    await expectClose(unitDistance(a, a.mul(-3)), [4, 4, 4, 4]);
    await expectClose(unitDistance(tf.zeros([1, 3]), tf.tensor2d([[0, 2, 0]])), [1]);
  });

  it('maps unequal sizes linearly, each side by a kernel of its own, with the gradients of finite differences', async () => {
    const loss = makeLoss(clipFeature, {}, shapes(2, 3));
    expect(Object.keys(loss.variables!)).toEqual(['imageKernel', 'textKernel']);
    const { imageKernel, textKernel } = loss.variables!;
    const kernels = [...(await imageKernel.data()), ...(await textKernel.data())];
    expect(new Set(kernels).size).toBe(12);
    const total = (k: number[]) =>
      sum(
        written(
          { image: mapped(narrow.image, k.slice(0, 6), 3), text: mapped(narrow.text, k.slice(6), 3), scale: 1 },
          t,
        ),
      );
    const { value, grads } = tf.variableGrads(
      () => loss.apply(output(narrow), output(t), { size: 4 }, { training: true }).perSample.sum() as tf.Scalar,
      [imageKernel, textKernel],
    );
    await expectClose(value, [total(kernels)]);
    const expected = numericalGradient(total, kernels);
    await expectClose(grads[imageKernel.name], expected.slice(0, 6), { absolute: 1e-4, relative: 1e-3 });
    await expectClose(grads[textKernel.name], expected.slice(6), { absolute: 1e-4, relative: 1e-3 });
    loss.dispose!();
  });

  it('leaves no tensors', () =>
    expectNoLeak(() => {
      const loss = makeLoss(clipFeature, {}, shapes(2, 3));
      const [a, b] = [output(narrow), output(t)];
      tf.dispose([loss.apply(a, b, { size: 4 }, { training: true }).perSample, a, b] as tf.TensorContainer);
      loss.dispose!();
    }));
});

describe('clip-feature', () => {
  it('refuses texts that are not one an image, of student or teacher', () => {
    const loss = makeLoss(clipFeature, {}, shapes(3, 3));
    const texts = { textEmbedding: tf.zeros<tf.Rank.R2>([8, 3]) };
    const message = 'losses[2]: loss "clip-feature" needs one text an image, text i of image i; this batch has 8 texts';
    expect(() => loss.apply({ ...output(s), ...texts }, output(t), { size: 4 }, { training: true })).toThrow(message);
    expect(() => loss.apply(output(s), { ...output(t), ...texts }, { size: 4 }, { training: true })).toThrow(message);
  });

  it('refuses a teacher of images alone', () => {
    expect(() => makeLoss(clipFeature, {}, { ...shapes(3, 3), teacher: { imageEmbedding: [3] } })).toThrow(
      'losses[2]: teacher "r56" gives no "textEmbedding", loss "clip-feature" needs [B, D]',
    );
  });
});
