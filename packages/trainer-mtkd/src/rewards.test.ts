import * as tf from '@tensorflow/tfjs';
import { type DistillationView, Random, type Reward } from '@retort/core';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import { eq6, fusedScalar, gradientAlignmentReward } from './rewards.js';

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
      { label: tf.tensor1d(labels, 'int32') },
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

  it('aims at both classes of a mixed image', async () => {
    const [z, t] = [tf.tensor2d(student), [tf.tensor2d(teachers[0])]];
    const [label, otherLabel] = [labels, [1, 1, 0, 2, 2]].map((values) => tf.tensor1d(values, 'int32'));
    const share = [1, 0.25, 0.5, 0, 0.9];
    const [own, other] = await Promise.all(
      [label, otherLabel].map((which) => gradientAlignmentReward(z, t, { label: which }, T).data()),
    );
    const mixed = gradientAlignmentReward(z, t, { label, otherLabel, labelShare: tf.tensor1d(share) }, T);
    // The reward is linear in what the labels ask for.
    await expectClose(
      mixed,
      share.map((s, i) => s * own[i] + (1 - s) * other[i]),
    );
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
    return expectNoLeak(() => gradientAlignmentReward(z, [t], { label: y }, T).dispose());
  });
});

describeEachBackend('rewards of distance', () => {
  const path = 'trainer.weighting.reward';
  const create = (part: typeof eq6, options = {}) =>
    part.create(part.options.parse(options) as never, { temperature: 4, path }) as Reward;
  const [ce, kl, d] = [
    [2, 0.5],
    [
      [1, 3],
      [0.2, 0.1],
    ],
    [
      [4, 1],
      [2, 6],
    ],
  ];
  const view = (weights?: DistillationView['weights']): DistillationView => ({
    batch: { size: 2, label: tf.tensor1d([0, 1], 'int32') },
    student: {},
    teachers: [2, 5].map((value) => ({ featureMap: tf.fill([2, 1, 1, 3], value) as tf.Tensor4D })),
    studentCrossEntropy: tf.tensor1d(ce),
    teacherCrossEntropy: tf.zeros([2, 2]),
    logitLoss: tf.tensor2d(kl),
    featureLoss: tf.tensor2d(d),
    adapted: [],
    ...(weights && { weights }),
  });

  it('eq6 is minus CE, KL and D, with D in units of the mean square feature or as it is', async () => {
    const expected = (squares: number[]) =>
      ce.flatMap((own, i) => squares.map((square, m) => -(own + kl[i][m] + d[i][m] / square)));
    for (const head of ['logit', 'feature'] as const) {
      await expectClose(create(eq6)(view())[head], expected([4, 25]));
      await expectClose(create(eq6, { scaleFeatures: false })(view())[head], expected([1, 1]));
    }
  });

  it('fused-scalar is minus the weighted loss of a sample, for every teacher', async () => {
    const [logit, feature] = [
      [
        [0.2, 0.8],
        [0.5, 0.5],
      ],
      [
        [1, 0],
        [0.3, 0.7],
      ],
    ];
    const dot = (a: number[], b: number[]) => a.reduce((sum, v, m) => sum + v * b[m], 0);
    const total = ce.map((own, i) => -(own + dot(logit[i], kl[i]) + dot(feature[i], d[i])));
    const reward = create(fusedScalar);
    await expectClose(
      reward(view({ logit: tf.tensor2d(logit), feature: tf.tensor2d(feature) })).feature,
      total.flatMap((r) => [r, r]),
    );
    const withoutFeatures = ce.map((own, i) => -(own + dot(logit[i], kl[i])));
    await expectClose(
      reward(view({ logit: tf.tensor2d(logit) })).logit,
      withoutFeatures.flatMap((r) => [r, r]),
    );
    expect(() => reward(view())).toThrow(`${path}: fused-scalar is made of the teacher weights`);
  });
});
