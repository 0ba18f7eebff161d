import type { Head } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { describeEachBackend, expectClose, numericalGradient } from '@retort-tools/testing';
import { createGammaShares, fuse, gammasOption, priorsOf } from './weight-fusion.js';

const softmax = (z: number[]) => {
  const exps = z.map((v) => Math.exp(v - Math.max(...z)));
  return exps.map((e) => e / exps.reduce((a, b) => a + b));
};

const gammas = { generator: 0.5, confidence: 0.3, divergence: 0.2 };
const heads = ['logit', 'feature'] as const;
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
  const fused = (head: Head, order = [0, 1, 2]) => {
    const permuted = (matrix: number[][]) => tf.tensor2d(matrix.map((row) => order.map((m) => row[m])));
    const priors = priorsOf(
      { teacherCrossEntropy: permuted(ce), logitLoss: permuted(kl), similarity: permuted(cosine) },
      heads,
    );
    return fuse(permuted(generated), priors[head], gammas);
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
    await expectClose(fused('logit'), expected(kl));
    await expectClose(fused('feature'), expected(cosine));
  });

  it('sums to one and follows a permutation of the teachers', async () => {
    await expectClose(fused('logit').sum(1), [1, 1]);
    const [plain, permuted] = [await fused('logit').array(), await fused('logit', [2, 0, 1]).array()];
    await expectClose(
      permuted.flat(),
      plain.flatMap((row) => [row[2], row[0], row[1]]),
    );
  });

  it('gives a single teacher all the weight', async () => {
    const one = tf.ones<tf.Rank.R2>([2, 1]);
    const view = { teacherCrossEntropy: one, logitLoss: one.mul<tf.Tensor2D>(7), similarity: one };
    await expectClose(fuse(one, priorsOf(view, ['logit']).logit, gammas), [1, 1]);
  });
});

describeEachBackend('learnable shares', () => {
  const create = (learningRate = 0.5) =>
    createGammaShares(gammasOption.parse({ learnable: true, learningRate }), ['logit'], 'trainer.weighting');
  const values = async (shares: ReturnType<typeof create>) => {
    const { generator, confidence, divergence } = shares.of('logit');
    return Promise.all(
      [generator, confidence, divergence].map(async (share) => (await (share as tf.Scalar).data())[0]),
    );
  };
  const tensors = () => ({
    generator: tf.tensor2d(generated),
    priors: { confidence: tf.tensor2d(ce.map(softmax)), divergence: tf.tensor2d(kl.map(softmax)) },
  });
  const gain = [
    [1, -0.5, 0.3],
    [-0.2, 0.8, 0.1],
  ];

  it('start at 1/3 and stay until they learn', async () => {
    const shares = create();
    const { generator, priors } = tensors();
    tf.tidy(() => shares.credit('logit', generator, priors, tf.tensor2d(gain)));
    await expectClose(await values(shares), [1 / 3, 1 / 3, 1 / 3]);
  });

  it('ascend what the fused weights earn, summed over the batches they have seen, by the softmax they go through', async () => {
    const shares = create(0.5);
    const earned = (theta: number[]) =>
      generated.reduce((sum, row, i) => {
        const [g, c, d] = softmax(theta);
        return (
          sum +
          row.reduce(
            (total, w, m) => total + (gain[i][m] * (g * w + c * softmax(ce[i])[m] + d * softmax(kl[i])[m])) / 2,
            0,
          )
        );
      }, 0);
    const gradient = numericalGradient(earned, [1, 1, 1]);
    const { generator, priors } = tensors();
    for (let batch = 0; batch < 2; batch++) {
      tf.tidy(() => shares.credit('logit', generator, priors, tf.tensor2d(gain)));
    }
    const report = shares.learn();
    const expected = softmax(gradient.map((g) => 1 + 0.5 * 2 * g));
    await expectClose(await values(shares), expected);
    await expectClose(tf.stack(Object.values(report)), expected);
    expect(Object.keys(report)).toEqual(['generator', 'confidence', 'divergence'].map((name) => `gamma/logit/${name}`));
    tf.dispose(shares.learn());
    await expectClose(await values(shares), expected);
  });

  it('do not move where all kinds of weights earn the same', async () => {
    const shares = create();
    const { generator, priors } = tensors();
    tf.tidy(() => shares.credit('logit', generator, priors, tf.ones([2, 3])));
    tf.dispose(shares.learn());
    await expectClose(await values(shares), [1 / 3, 1 / 3, 1 / 3]);
  });
});

it('constants that do not sum to one are refused', () => {
  const options = gammasOption.parse({ divergence: 0.5 });
  expect(() => createGammaShares(options, ['logit'], 'trainer.weighting')).toThrow(
    'trainer.weighting.gammas must sum to 1, not 1.5',
  );
});
