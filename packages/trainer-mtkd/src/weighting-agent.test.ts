import * as tf from '@tensorflow/tfjs';
import { describeEachBackend, expectClose } from '@retort-tools/testing';
import { fuse, stateOf } from './weighting-agent.js';

const softmax = (z: number[]) => {
  const exps = z.map((v) => Math.exp(v - Math.max(...z)));
  return exps.map((e) => e / exps.reduce((a, b) => a + b));
};

const gammas = { generator: 0.5, confidence: 0.3, divergence: 0.2 };
const ce = [
  [0.1, 2, 0.7],
  [3, 0.2, 0.2],
];
const kl = [
  [4, 1, 2],
  [0.5, 0.5, 9],
];
const cosine = [
  [0.9, -0.2, 0.1],
  [0, 0.3, 0.8],
];
const generated = [
  [0.2, 0.5, 0.3],
  [0.6, 0.1, 0.3],
];

describeEachBackend('fuse', () => {
  const fused = (order = [0, 1, 2]) => {
    const permuted = (matrix: number[][]) => tf.tensor2d(matrix.map((row) => order.map((m) => row[m])));
    return fuse(
      { logit: permuted(generated), feature: permuted(generated) },
      { teacherCrossEntropy: permuted(ce), logitLoss: permuted(kl), similarity: permuted(cosine) },
      gammas,
      ['logit', 'feature'],
    );
  };

  it('mixes generator, confidence and divergence as eq. 9-14 say', async () => {
    const expected = (divergence: number[][]) =>
      ce.flatMap((row, i) =>
        row.map(
          (_, m) =>
            gammas.generator * generated[i][m] +
            (gammas.confidence * (1 - softmax(row)[m])) / 2 +
            gammas.divergence * softmax(divergence[i])[m],
        ),
      );
    await expectClose(fused().logit, expected(kl));
    await expectClose(fused().feature, expected(cosine));
  });

  it('sums to one and follows a permutation of the teachers', async () => {
    await expectClose(fused().logit.sum(1), [1, 1]);
    const [plain, permuted] = [await fused().logit.array(), await fused([2, 0, 1]).logit.array()];
    await expectClose(
      permuted.flat(),
      plain.flatMap((row) => [row[2], row[0], row[1]]),
    );
  });

  it('gives a single teacher all the weight', async () => {
    const one = tf.ones<tf.Rank.R2>([2, 1]);
    const view = { teacherCrossEntropy: one, logitLoss: one.mul<tf.Tensor2D>(7), similarity: one };
    await expectClose(fuse({ logit: one, feature: one }, view, gammas, ['logit']).logit, [1, 1]);
  });
});

describeEachBackend('stateOf', () => {
  it('lists likeness, losses, embedding and logits of each teacher in turn', async () => {
    const teacher = (base: number) => ({
      embedding: tf.tensor2d([[base + 0.1, base + 0.2]]),
      logits: tf.tensor2d([[base + 0.3, base + 0.4, base + 0.5]]),
    });
    const view = {
      teachers: [teacher(10), teacher(20)],
      similarity: tf.tensor2d([[1, 2]]),
      logitLoss: tf.tensor2d([[3, 4]]),
      teacherCrossEntropy: tf.tensor2d([[5, 6]]),
    } as never;
    const all = ['similarity', 'distillation-loss', 'cross-entropy', 'embedding', 'logits'] as const;
    await expectClose(
      stateOf(view, all),
      [1, 3, 5, 10.1, 10.2, 10.3, 10.4, 10.5, 2, 4, 6, 20.1, 20.2, 20.3, 20.4, 20.5],
    );
    await expectClose(stateOf(view, ['logits']), [10.3, 10.4, 10.5, 20.3, 20.4, 20.5]);
  });
});
