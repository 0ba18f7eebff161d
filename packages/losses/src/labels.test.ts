import type { Batch, Loss, NetworkOutput, Part } from '@retort/core';
import { describeEachBackend, expectClose } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { crossEntropy } from './cross-entropy.js';
import { decoupledDistillation } from './decoupled-distillation.js';
import { isLabeled, labelRows } from './labels.js';
import { normDirection } from './norm-direction.js';
import { valueAndGradient } from './test-support/gradient.js';
import { makeLoss, numbers } from './test-support/make.js';

const [s, t] = [numbers('student', 12), numbers('teacher', 12)];
/** Classes of which the second and the last are not known. */
const partly = [2, -1, 0, -1];
const known = [1, 0, 1, 0];
/** What stands where a label is not known must not matter. */
const whole = [2, 1, 0, 2];

const losses: [string, Part<'loss'>, object, 'logits' | 'embedding'][] = [
  ['cross-entropy', crossEntropy, {}, 'logits'],
  ['cross-entropy, smoothed', crossEntropy, { labelSmoothing: 0.1 }, 'logits'],
  ['dkd', decoupledDistillation, {}, 'logits'],
  ['dkd, standardized', decoupledDistillation, { standardize: true }, 'logits'],
  ['nd', normDirection, {}, 'embedding'],
  ['nd, direction', normDirection, { norm: false }, 'embedding'],
];

async function* pass(labels: number[]): AsyncGenerator<{ teacher: NetworkOutput; batch: Batch }> {
  const embedding = tf.tensor2d(t, [4, 3]);
  const label = { data: Int32Array.from(labels), shape: [4] };
  yield await Promise.resolve({ teacher: { embedding }, batch: { size: 4, targets: { label } } as Batch });
  embedding.dispose();
}

async function make(part: Part<'loss'>, options: object, output: string): Promise<Loss> {
  const shapes = { student: { [output]: [3] }, teacher: { [output]: [3] }, classes: ['cat', 'dog', 'owl'] };
  const loss = makeLoss(part, options, shapes);
  await loss.fit?.(pass(whole));
  return loss;
}

describeEachBackend('samples without a label', () => {
  it('have a row of zeros', async () => {
    const label = tf.tensor1d(partly, 'int32');
    await expectClose(labelRows(label, 3), [0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0]);
    await expectClose(isLabeled(label), known);
  });

  it.each(losses)('count 0 and get no gradient in %s, the others as ever', async (_, part, options, output) => {
    const loss = await make(part, options, output);
    const apply = (labels: number[]) => (x: tf.Tensor2D) =>
      loss.apply(
        { [output]: x },
        { [output]: tf.tensor2d(t, [4, 3]) },
        { size: 4, label: tf.tensor1d(labels, 'int32') },
        { training: true },
      ).perSample;
    const expected = Array.from(await apply(whole)(tf.tensor2d(s, [4, 3])).data(), (x, i) => x * known[i]);
    expect(expected.filter((x) => x !== 0)).toHaveLength(2);
    await expectClose(apply(partly)(tf.tensor2d(s, [4, 3])), expected, { absolute: 1e-6, relative: 1e-6 });
    const ofWhole = await valueAndGradient<tf.Tensor2D>((x) => apply(whole)(x).mul(tf.tensor1d(known)), s, [4, 3]);
    const ofPartly = await valueAndGradient<tf.Tensor2D>(apply(partly), s, [4, 3]);
    await expectClose(ofPartly.gradient, ofWhole.gradient, { absolute: 1e-6, relative: 1e-5 });
    for (const i of [1, 3]) expect(ofPartly.gradient.slice(3 * i, 3 * i + 3).every((x) => x === 0)).toBe(true);
    expect(ofPartly.gradient.some((x) => x !== 0)).toBe(true);
    loss.dispose?.();
  });

  it.each([0, 0.1])('count with the share of a mixed image that is labeled, smoothing %d', async (labelSmoothing) => {
    const loss = makeLoss(crossEntropy, { labelSmoothing }, { student: { logits: [3] } });
    const apply = async (label: number[], mixed?: { otherLabel: number[]; labelShare: number[] }) => {
      const { perSample } = loss.apply(
        { logits: tf.tensor2d(s, [4, 3]) },
        undefined,
        {
          size: 4,
          label: tf.tensor1d(label, 'int32'),
          ...(mixed && {
            otherLabel: tf.tensor1d(mixed.otherLabel, 'int32'),
            labelShare: tf.tensor1d(mixed.labelShare),
          }),
        },
        { training: true },
      );
      return perSample.data();
    };
    const otherLabel = [0, 1, -1, -1];
    const labelShare = [0.25, 0.25, 0.625, 0.5];
    const [own, other] = [await apply(partly), await apply(otherLabel)];
    await expectClose(
      await apply(partly, { otherLabel, labelShare }),
      labelShare.map((share, i) => share * own[i] + (1 - share) * other[i]),
    );
    expect([own[1], other[2], other[3]]).toEqual([0, 0, 0].map((x) => expect.closeTo(x, 12) as number));
  });

  it('have no part in the class means of nd', async () => {
    const loss = await make(normDirection, {}, 'embedding');
    await loss.fit!(pass(partly));
    await expectClose(loss.state!.classMeans, [...t.slice(6, 9), 0, 0, 0, ...t.slice(0, 3)]);
    loss.dispose!();
  });
});
