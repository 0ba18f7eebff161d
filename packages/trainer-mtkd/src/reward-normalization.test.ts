import * as tf from '@tensorflow/tfjs';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import { createRewardNormalizer, type RewardNormalization, rewardNormalizations } from './reward-normalization.js';

const normalize = (name: RewardNormalization, reward: number[][]) =>
  tf.tidy(() => createRewardNormalizer(name, ['logit']).normalize('logit', tf.tensor2d(reward)));

describeEachBackend('reward normalization', () => {
  it('eq. 8 gives the worked example, (−6, −5, −4.5, −7), printed and with the mean of what was rescaled', async () => {
    const reward = [[-6, -5, -4.5, -7]];
    // Rescaled it is (0.4, 0.8, 1, 0), of mean 0.55; the rewards' own mean is −5.625.
    await expectClose(normalize('eq8-printed', reward), [6.025, 6.425, 6.625, 5.625]);
    await expectClose(normalize('eq8-rescaled-mean', reward), [-0.15, 0.25, 0.45, -0.55]);
  });

  it('eq. 8 knows two teachers apart but not how far, and each sample by itself', async () => {
    const reward = [
      [-1, -2],
      [-7, -3],
    ];
    await expectClose(normalize('eq8-rescaled-mean', reward), [0.5, -0.5, -0.5, 0.5]);
    await expectClose(normalize('eq8-printed', reward), [2.5, 1.5, 5, 6]);
  });

  it('the score of the public code is 0 below the mean of the batch and 1 from a deviation above it', async () => {
    const rewards = [-4, -9, -6, -3, -5.5];
    const mean = rewards.reduce((a, b) => a + b) / 5;
    const deviation = Math.sqrt(rewards.reduce((sum, r) => sum + (r - mean) ** 2, 0) / 4);
    const expected = rewards.map((r) => Math.min(1, Math.max(0, (r - mean) / deviation)));
    expect(Math.min(...expected)).toBe(0);
    // One number per sample, whatever the number of teachers.
    for (const count of [1, 3]) {
      await expectClose(
        normalize(
          'batch-zscore-clamp01',
          rewards.map((r) => new Array<number>(count).fill(r)),
        ),
        expected.flatMap((value) => new Array<number>(count).fill(value)),
      );
    }
  });

  it('rms is in units of the root mean square of all batches so far, by head', async () => {
    const normalizer = createRewardNormalizer('rms', ['logit', 'feature']);
    const use = (head: 'logit' | 'feature', reward: number[][]) =>
      tf.tidy(() => normalizer.normalize(head, tf.tensor2d(reward)));
    // Centered ±1, then ±3: mean squares 1 and 9, 5 over both.
    await expectClose(use('logit', [[1, 3]]), [-1, 1]);
    await expectClose(use('logit', [[8, 2]]), [3 / Math.sqrt(5), -3 / Math.sqrt(5)]);
    await expectClose(use('feature', [[8, 2]]), [1, -1]);
    tf.dispose(normalizer.variables);
  });

  describe.each(rewardNormalizations)('%s', (name) => {
    it.each([
      ['one teacher', [[-3], [-5]]],
      ['teachers that tie', [[-2.3, -2.3, -2.3]]],
      ['teachers a rounding error apart', [[-1e4, -1e4, -1e4 - 1e-3]]],
      [
        'rewards of 0',
        [
          [0, 0],
          [0, 0],
        ],
      ],
      ['a batch of one sample', [[-2.3]]],
    ])('of %s is finite and says nothing', async (title, reward) => {
      const values = await normalize(name, reward).array();
      for (const row of values) {
        for (const value of row) expect(Number.isFinite(value)).toBe(true);
        // One teacher per sample is still told apart over the batch by the public code.
        if (name === 'batch-zscore-clamp01' && title === 'one teacher') continue;
        for (const value of row) expect(Math.abs(value)).toBeLessThan(1e-6);
      }
    });

    it('leaves no tensors', async () => {
      const normalizer = createRewardNormalizer(name, ['logit']);
      const reward = tf.tensor2d([[-1, -2, 3]]);
      await expectNoLeak(() => tf.dispose(tf.tidy(() => normalizer.normalize('logit', reward))));
      tf.dispose([reward, normalizer.variables]);
    });
  });
});
