import { Seeds } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import { createCategorical } from './categorical.js';
import { sampledEntropy, sampleMany, scoreOf } from './test-support/distributions.js';

const logits = [0.3, -1.2, 2];
const total = logits.reduce((sum, z) => sum + Math.exp(z), 0);
const p = logits.map((z) => Math.exp(z) / total);

describeEachBackend('categorical', () => {
  const distribution = createCategorical(3);

  it('draws classes as often as softmax says', async () => {
    const { action, rows } = sampleMany(distribution, logits, 20_000, new Seeds(1).stream('a'));
    expect(action.dtype).toBe('int32');
    const frequencies = tf.oneHot(action as tf.Tensor1D, 3).mean(0);
    await expectClose(frequencies, p, { absolute: 4 * Math.sqrt(0.25 / 20_000), relative: 0 });
    tf.dispose([action, rows]);
  });

  it('has log-probability log p_a with gradient e_a − p', async () => {
    const actions = tf.tensor1d([0, 1, 2], 'int32');
    await expectClose(distribution.logProbability(tf.tensor2d([logits, logits, logits]), actions), p.map(Math.log));
    await expectClose(scoreOf(distribution, logits, tf.tensor1d([1], 'int32')), [-p[0], 1 - p[1], -p[2]]);
  });

  it('has entropy −Σ p log p and the likeliest class for a mode', async () => {
    const entropy = -p.reduce((sum, q) => sum + q * Math.log(q), 0);
    await expectClose(distribution.entropy(tf.tensor2d([logits])), [entropy]);
    expect(sampledEntropy(distribution, logits, 20_000, new Seeds(2).stream('a'))).toBeCloseTo(entropy, 1);
    await expectClose(distribution.mode(tf.tensor2d([logits])), [2]);
  });

  it('stays finite with uniform noise of 0 and 1, and with certain logits', async () => {
    const noise = { uniform: tf.tensor2d([[0, 1, 0.5]]) };
    await expectClose(distribution.sample(tf.tensor2d([logits]), noise), [1]);
    const certain = tf.tensor2d([[1e4, 0, -1e4]]);
    await expectClose(distribution.entropy(certain), [0]);
    await expectClose(distribution.logProbability(certain, tf.tensor1d([0], 'int32')), [0]);
  });

  it('leaves no tensors', () =>
    expectNoLeak(() => {
      tf.dispose(sampleMany(distribution, logits, 4, new Seeds(1).stream('a')) as tf.TensorContainer);
    }));
});
