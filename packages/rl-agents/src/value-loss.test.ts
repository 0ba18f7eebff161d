import { describeEachBackend, expectClose } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { valueLoss } from './value-loss.js';

describeEachBackend('valueLoss', () => {
  const batch = () => ({
    target: tf.tensor1d([1, 1, 1, 9]),
    oldValue: tf.tensor1d([0, 0, 2, 0]),
    mask: tf.tensor1d([1, 1, 1, 0]),
  });
  const value = () => tf.tensor1d([0.1, 0.9, 1.9, 5]);

  it('is half the mean square over rows that count', async () => {
    await expectClose(valueLoss(value(), batch()), [(0.9 ** 2 + 0.1 ** 2 + 0.9 ** 2) / 6]);
  });

  it('with a clip counts values that moved further as if they had not, when that is worse', async () => {
    // The second moved by 0.9 and counts as 0.2.
    await expectClose(valueLoss(value(), batch(), 0.2), [(0.9 ** 2 + 0.8 ** 2 + 0.9 ** 2) / 6]);
  });
});
