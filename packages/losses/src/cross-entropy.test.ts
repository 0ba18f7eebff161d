import { InputError } from '@retort/core';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { crossEntropy, crossEntropyPerSample } from './cross-entropy.js';
import { makeLoss, softmax, sum } from './test-support/make.js';

const logits = [
  [1.5, -0.25, 0.5],
  [-2, 3, 0.125],
  [0, 0, 0],
];
const label = [2, 1, 0];

const written = (row: number[], y: number, smoothing: number) =>
  -sum(row.map((_, c) => ((c === y ? 1 - smoothing : 0) + smoothing / row.length) * Math.log(softmax(row)[c])));

describeEachBackend('cross-entropy', () => {
  it.each([0, 0.1])('matches the sum written out in float64, smoothing %d', async (smoothing) => {
    const loss = makeLoss(crossEntropy, { labelSmoothing: smoothing }, { student: { logits: [3] } });
    const { perSample } = loss.apply(
      { logits: tf.tensor2d(logits) },
      undefined,
      { size: 3, label: tf.tensor1d(label, 'int32') },
      { training: true },
    );
    await expectClose(
      perSample,
      logits.map((row, i) => written(row, label[i], smoothing)),
    );
  });

  it('has gradient softmax(z) − q', async () => {
    const z = tf.variable(tf.tensor2d(logits));
    const { grads } = tf.variableGrads(
      () => crossEntropyPerSample(z as tf.Tensor as tf.Tensor2D, tf.tensor1d(label, 'int32'), 0.1).sum() as tf.Scalar,
      [z],
    );
    await expectClose(
      grads[z.name],
      logits.flatMap((row, i) => softmax(row).map((p, c) => p - (c === label[i] ? 0.9 : 0) - 0.1 / 3)),
    );
    z.dispose();
  });

  it('stays finite when the student is certain and wrong', async () => {
    const value = crossEntropyPerSample(tf.tensor2d([[1e4, -1e4]]), tf.tensor1d([1], 'int32'));
    await expectClose(value, [2e4]);
  });

  it('leaves no tensors', () =>
    expectNoLeak(() => {
      const [z, y] = [tf.tensor2d(logits), tf.tensor1d(label, 'int32')];
      tf.dispose([crossEntropyPerSample(z, y), crossEntropyPerSample(z, y, 0.1), z, y]);
    }));
});

describe('cross-entropy', () => {
  it('refuses logits that are no row of classes', () => {
    expect(() => makeLoss(crossEntropy, {}, { student: { logits: [8, 8, 3] } })).toThrow(
      'losses[2]: the student gives "logits" as [B, 8, 8, 3], loss "cross-entropy" needs [B, C]',
    );
  });

  it('asks for labels', () => {
    const loss = makeLoss(crossEntropy, {}, { student: { logits: [3] } });
    expect(() => loss.apply({}, undefined, { size: 1 }, { training: true })).toThrow(InputError);
  });

  it('knows its options', () => {
    expect(crossEntropy.options.parse({})).toEqual({ labelSmoothing: 0 });
    expect(crossEntropy.options.safeParse({ labelSmoothing: 1 }).success).toBe(false);
    expect(crossEntropy.options.safeParse({ smoothing: 0.1 }).success).toBe(false);
  });
});
