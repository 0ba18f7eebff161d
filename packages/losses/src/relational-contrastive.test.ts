import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { relationalContrastive } from './relational-contrastive.js';
import { expectValueAndGradient } from './test-support/gradient.js';
import { klOfLogits, makeLoss, sum } from './test-support/make.js';
import {
  cosines,
  half,
  output,
  packed,
  pairs,
  reordered,
  unpacked,
  unpackedOutput,
  type WrittenPairs,
} from './test-support/pairs.js';

// The student is narrower than the teacher, and has a scale of its own.
const make = () =>
  makeLoss(
    relationalContrastive,
    {},
    {
      student: { imageEmbedding: [2], textEmbedding: [2], logitScale: [] },
      teacher: { imageEmbedding: [3], textEmbedding: [3], logitScale: [] },
    },
  );
const [s, t] = [pairs('student', 4, 2, 5), pairs('teacher', 4, 3, 12)];
const divergences = (a: number[][], b: number[][]) => a.map((row, i) => klOfLogits(row, b[i]));
const written = (student: WrittenPairs, teacher: WrittenPairs) =>
  half(
    divergences(
      cosines(student.image, student.text, student.scale),
      cosines(teacher.image, teacher.text, teacher.scale),
    ),
    divergences(
      cosines(student.text, student.image, student.scale),
      cosines(teacher.text, teacher.image, teacher.scale),
    ),
  );
const apply = (student: WrittenPairs, teacher: WrittenPairs) =>
  make().apply(output(student), output(teacher), { size: 4 }, { training: true }).perSample;

describeEachBackend('relational-contrastive', () => {
  it('matches both divergences written out in float64, with the gradient of images, texts and scale', async () => {
    await expectClose(apply(s, t), written(s, t));
    const loss = make();
    expect(loss.variables).toBeUndefined();
    await expectValueAndGradient<tf.Tensor1D>(
      (x) => loss.apply(unpackedOutput(x, 4, 2), output(t), { size: 4 }, { training: true }).perSample,
      (x) => sum(written(unpacked(x, 4, 2), t)),
      packed(s),
      [17],
    );
  });

  it('follows the order of pairs', async () => {
    const order = [1, 2, 3, 0];
    const expected = written(s, t);
    await expectClose(
      apply(reordered(s, order), reordered(t, order)),
      order.map((i) => expected[i]),
    );
  });

  it('is 0 for a teacher that sees the same relations in a turned space', async () => {
    const turned = (rows: number[][]) => rows.map(([x, y]) => [0, -3 * y, 3 * x]);
    await expectClose(apply(s, { image: turned(s.image), text: turned(s.text), scale: 5 }), [0, 0, 0, 0]);
  });

  it('gives no gradient to the teacher', async () => {
    const teacher = tf.variable(tf.tensor2d(t.image));
    const given = { ...output(t), imageEmbedding: teacher as tf.Tensor as tf.Tensor2D };
    const student = tf.variable(tf.tensor2d(s.image));
    const { grads } = tf.variableGrads(
      () =>
        make()
          .apply(
            { ...output(s), imageEmbedding: student as tf.Tensor as tf.Tensor2D },
            given,
            { size: 4 },
            { training: true },
          )
          .perSample.sum() as tf.Scalar,
      [student, teacher],
    );
    expect(grads[teacher.name]).toBeFalsy();
    tf.dispose([teacher, student]);
  });

  it('leaves no tensors', () =>
    expectNoLeak(() => {
      const [a, b] = [output(s), output(t)];
      tf.dispose([make().apply(a, b, { size: 4 }, { training: true }).perSample, a, b] as tf.TensorContainer);
    }));
});

describe('relational-contrastive', () => {
  it('refuses texts that are not one an image, and a teacher of two sizes', () => {
    const student = { ...output(s), textEmbedding: tf.zeros<tf.Rank.R2>([8, 2]) };
    expect(() => make().apply(student, output(t), { size: 4 }, { training: true })).toThrow(
      'losses[2]: loss "relational-contrastive" needs one text an image, text i of image i; this batch has 8',
    );
    const embeddings = { imageEmbedding: [2], textEmbedding: [2] };
    expect(() =>
      makeLoss(relationalContrastive, {}, { student: embeddings, teacher: { ...embeddings, textEmbedding: [3] } }),
    ).toThrow('losses[2]: teacher "r56" gives images of 2 numbers and texts of 3');
  });
});
