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
/** A partner of another class, one of the same, and one that has no share. */
const otherLabel = [0, 1, 2];
const labelShare = [0.25, 0.625, 1];

/** The target, class by class. */
const target = (i: number, classes: number, smoothing: number, mixed: boolean) =>
  Array.from({ length: classes }, (_, c) => {
    const share = mixed ? labelShare[i] : 1;
    const hard = (c === label[i] ? share : 0) + (mixed && c === otherLabel[i] ? 1 - share : 0);
    return (1 - smoothing) * hard + smoothing / classes;
  });

const written = (row: number[], q: number[]) => -sum(row.map((_, c) => q[c] * Math.log(softmax(row)[c])));

const mixedLabels = () => ({
  otherLabel: tf.tensor1d(otherLabel, 'int32'),
  labelShare: tf.tensor1d(labelShare),
});

describeEachBackend('cross-entropy', () => {
  it.each([
    [0, false],
    [0.1, false],
    [0, true],
    [0.1, true],
  ])('matches the sum written out in float64, smoothing %d, mixed labels %s', async (smoothing, mixed) => {
    const loss = makeLoss(crossEntropy, { labelSmoothing: smoothing }, { student: { logits: [3] } });
    const { perSample } = loss.apply(
      { logits: tf.tensor2d(logits) },
      undefined,
      { size: 3, label: tf.tensor1d(label, 'int32'), ...(mixed && mixedLabels()) },
      { training: true },
    );
    await expectClose(
      perSample,
      logits.map((row, i) => written(row, target(i, 3, smoothing, mixed))),
    );
  });

  it.each([false, true])('has gradient softmax(z) − q, mixed labels %s', async (mixed) => {
    const z = tf.variable(tf.tensor2d(logits));
    const { grads } = tf.variableGrads(
      () =>
        crossEntropyPerSample(
          z as tf.Tensor as tf.Tensor2D,
          tf.tensor1d(label, 'int32'),
          0.1,
          mixed ? mixedLabels() : undefined,
        ).sum() as tf.Scalar,
      [z],
    );
    await expectClose(
      grads[z.name],
      logits.flatMap((row, i) => softmax(row).map((p, c) => p - target(i, 3, 0.1, mixed)[c])),
    );
    z.dispose();
  });

  it('is the entropy of the shares where the student gives just those', async () => {
    const value = crossEntropyPerSample(tf.tensor2d([[Math.log(0.25), Math.log(0.75)]]), tf.tensor1d([1], 'int32'), 0, {
      otherLabel: tf.tensor1d([0], 'int32'),
      labelShare: tf.tensor1d([0.75]),
    });
    await expectClose(value, [-0.25 * Math.log(0.25) - 0.75 * Math.log(0.75)]);
  });

  it('stays finite when the student is certain and wrong', async () => {
    const value = crossEntropyPerSample(tf.tensor2d([[1e4, -1e4]]), tf.tensor1d([1], 'int32'));
    await expectClose(value, [2e4]);
  });

  it('leaves no tensors', () =>
    expectNoLeak(() => {
      const [z, y, mixed] = [tf.tensor2d(logits), tf.tensor1d(label, 'int32'), mixedLabels()];
      tf.dispose([crossEntropyPerSample(z, y), crossEntropyPerSample(z, y, 0.1, mixed), z, y]);
      tf.dispose([mixed.otherLabel, mixed.labelShare]);
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
