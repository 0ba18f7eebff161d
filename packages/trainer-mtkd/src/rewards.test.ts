import * as tf from '@tensorflow/tfjs';
import { Random } from '@retort/core';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import { gradientAlignmentReward } from './rewards.js';

const T = 3;
const random = new Random([5, 7]);
const rows = (n: number, classes: number) =>
  Array.from({ length: n }, () => Array.from({ length: classes }, () => 2 * random.normal()));

const softmax = (z: number[]) => {
  const exps = z.map((v) => Math.exp(v - Math.max(...z)));
  return exps.map((e) => e / exps.reduce((a, b) => a + b));
};
const crossEntropy = (z: number[], y: number) => -Math.log(softmax(z)[y]);

describeEachBackend('gradient-alignment', () => {
  const student = rows(5, 4);
  const teachers = [rows(5, 4), rows(5, 4)];
  const labels = [0, 3, 1, 1, 2];
  const compute = () =>
    gradientAlignmentReward(
      tf.tensor2d(student),
      teachers.map((teacher) => tf.tensor2d(teacher)),
      tf.tensor1d(labels, 'int32'),
      T,
    );

  it('is the rate at which a step towards the teacher lowers the cross-entropy', async () => {
    const step = 1e-6;
    const expected = student.flatMap((z, i) =>
      teachers.map((teacher) => {
        const [q, t] = [softmax(z.map((v) => v / T)), softmax(teacher[i].map((v) => v / T))];
        const moved = (sign: number) => z.map((v, c) => v - sign * step * T * (q[c] - t[c]));
        return (crossEntropy(moved(-1), labels[i]) - crossEntropy(moved(1), labels[i])) / (2 * step);
      }),
    );
    await expectClose(compute(), expected);
  });

  it('ranks teachers by t(y) − ⟨p, t⟩', async () => {
    const reward = await compute().array();
    student.forEach((z, i) => {
      const p = softmax(z);
      const score = teachers.map((teacher) => {
        const t = softmax(teacher[i].map((v) => v / T));
        return t[labels[i]] - t.reduce((sum, v, c) => sum + v * p[c], 0);
      });
      expect(Math.sign(reward[i][0] - reward[i][1])).toBe(Math.sign(score[0] - score[1]));
    });
  });

  it('leaves no tensors', () => {
    const [z, t, y] = [tf.tensor2d(student), tf.tensor2d(teachers[0]), tf.tensor1d(labels, 'int32')];
    return expectNoLeak(() => gradientAlignmentReward(z, [t], y, T).dispose());
  });
});
