import { describeEachBackend, expectClose, expectNoLeak, numericalGradient } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { interactiveContrastive } from './interactive-contrastive.js';
import { expectValueAndGradient } from './test-support/gradient.js';
import { makeLoss, sum } from './test-support/make.js';
import {
  cosines,
  half,
  mapped,
  output,
  ownEntropy,
  packed,
  pairs,
  reordered,
  unpacked,
  unpackedOutput,
  type WrittenPairs,
} from './test-support/pairs.js';

const make = (student: number, teacher: number) =>
  makeLoss(
    interactiveContrastive,
    {},
    {
      student: { imageEmbedding: [student], textEmbedding: [student] },
      teacher: { imageEmbedding: [teacher], textEmbedding: [teacher] },
    },
  );
const [s, t, narrow] = [pairs('student', 4, 3, 5), pairs('teacher', 4, 3, 20), pairs('narrow', 4, 2, 5)];
const written = (student: WrittenPairs, teacher: WrittenPairs, scale = 1 / 0.07) =>
  half(
    ownEntropy(cosines(student.image, teacher.text, scale)),
    ownEntropy(cosines(student.text, teacher.image, scale)),
  );

describeEachBackend('interactive-contrastive', () => {
  it('matches both cross-entropies written out in float64, with the gradient of the student', async () => {
    const loss = make(3, 3);
    const apply = (student: ReturnType<typeof output>) =>
      loss.apply(student, output(t), { size: 4 }, { training: true }).perSample;
    await expectClose(apply(output(s)), written(s, t));
    await expectValueAndGradient<tf.Tensor1D>(
      (x) => apply(unpackedOutput(x, 4, 3)),
      (x) => sum(written(unpacked(x, 4, 3), t)),
      packed(s),
      [25],
    );
    loss.dispose!();
  });

  it('follows the order of pairs', async () => {
    const loss = make(3, 3);
    const order = [1, 3, 2, 0];
    const expected = written(s, t);
    const { perSample } = loss.apply(
      output(reordered(s, order)),
      output(reordered(t, order)),
      { size: 4 },
      { training: true },
    );
    await expectClose(
      perSample,
      order.map((i) => expected[i]),
    );
    loss.dispose!();
  });

  it('learns its scale and, where sizes differ, linear maps, with the gradients of finite differences', async () => {
    const loss = make(2, 3);
    expect(Object.keys(loss.variables!)).toEqual(['imageKernel', 'textKernel', 'logScale']);
    const variables = Object.values(loss.variables!);
    const parameters = (await Promise.all(variables.map((v) => v.data()))).flatMap((values) => [...values]);
    const total = (p: number[]) =>
      sum(
        written(
          { image: mapped(narrow.image, p.slice(0, 6), 3), text: mapped(narrow.text, p.slice(6, 12), 3), scale: 0 },
          t,
          Math.exp(p[12]),
        ),
      );
    const { value, grads } = tf.variableGrads(
      () => loss.apply(output(narrow), output(t), { size: 4 }, { training: true }).perSample.sum() as tf.Scalar,
      variables,
    );
    await expectClose(value, [total(parameters)]);
    const expected = numericalGradient(total, parameters);
    for (const [i, [from, to]] of [
      [0, 6],
      [6, 12],
      [12, 13],
    ].entries()) {
      await expectClose(grads[variables[i].name], expected.slice(from, to), { absolute: 2e-4, relative: 1e-3 });
    }
    loss.dispose!();
  });

  it('goes no further than a scale of 100', async () => {
    const loss = make(3, 3);
    loss.variables!.logScale.assign(tf.tensor1d([7]));
    const { perSample } = loss.apply(output(s), output(t), { size: 4 }, { training: true });
    await expectClose(perSample, written(s, t, 100));
    loss.dispose!();
  });

  it('leaves no tensors', () =>
    expectNoLeak(() => {
      const loss = make(2, 3);
      const [a, b] = [output(narrow), output(t)];
      tf.dispose([loss.apply(a, b, { size: 4 }, { training: true }).perSample, a, b] as tf.TensorContainer);
      loss.dispose!();
    }));
});

describe('interactive-contrastive', () => {
  it('refuses texts that are not one an image, of student or teacher', () => {
    const loss = make(3, 3);
    const texts = { textEmbedding: tf.zeros<tf.Rank.R2>([8, 3]) };
    const message =
      'losses[2]: loss "interactive-contrastive" needs one text an image, text i of image i; this batch has 8';
    expect(() => loss.apply({ ...output(s), ...texts }, output(t), { size: 4 }, { training: true })).toThrow(message);
    expect(() => loss.apply(output(s), { ...output(t), ...texts }, { size: 4 }, { training: true })).toThrow(message);
  });
});
