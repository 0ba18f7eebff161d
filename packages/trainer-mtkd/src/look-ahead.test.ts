import type { Head } from '@retort/core';
import { forward, gradientsOf, ungroup } from '@retort/nn';
import { describeEachBackend, held } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { crossEntropy, evaluateTerms, lossesByHead } from './distillation-view.js';
import { measureLookAhead } from './look-ahead.js';
import { bitsOf, madeUpBatch, networkParts } from './test-support/network-parts.js';

describeEachBackend('look-ahead', () => {
  const reserved = () => {
    const { batch } = madeUpBatch(10, 2);
    return { image: batch.image, label: batch.label };
  };

  it('is the rate at which a step down the loss of a teacher lowers the loss on the reserved samples', async () => {
    const { parts, dispose } = await networkParts({ weigh: () => ({ fused: {} }) });
    const { batch, teachers } = madeUpBatch(6, 1);
    const heldOut = reserved();
    const student = ungroup(parts.parameters as Record<string, tf.Tensor>, 'student/') as Record<string, tf.Variable>;
    const rewards = tf.tidy(() => measureLookAhead(parts, batch, teachers, heldOut));
    const lossOnReserved = async () => {
      const value = tf.tidy(() =>
        crossEntropy(forward(parts.student, { image: heldOut.image }, { training: true }).logits!, heldOut).mean(),
      );
      return (await value.data())[0];
    };
    for (const head of ['logit', 'feature'] as const) {
      const reward = (await rewards[head].array()) as number[][];
      const changes: number[] = [];
      for (const m of [0, 1]) {
        const { gradients } = gradientsOf(() => {
          const output = forward(parts.student, { image: batch.image }, { training: true });
          const terms = evaluateTerms(parts.terms, output, teachers, batch, { training: true });
          return lossesByHead(parts.terms, terms, 2)[head].slice([0, m], [-1, 1]).mean() as tf.Scalar;
        }, student);
        const before = Object.fromEntries(Object.keys(gradients).map((key) => [key, student[key].clone()]));
        const lossAfter = async (rate: number) => {
          tf.tidy(() => {
            for (const [key, gradient] of Object.entries(gradients))
              student[key].assign(before[key].sub(gradient.mul(rate)));
          });
          return lossOnReserved();
        };
        const length = Math.sqrt(
          (await bitsOf(gradients).then(Object.values)).flat().reduce((sum: number, g: number) => sum + g * g, 0),
        );
        const rate = 0.001 / length;
        const change = ((await lossAfter(rate)) - (await lossAfter(-rate))) / (2 * rate);
        for (const [key, value] of Object.entries(before)) student[key].assign(value);
        changes.push(change);
        const mean = reward.reduce((sum, row) => sum + row[m], 0) / reward.length;
        expect(Math.abs(mean + change)).toBeLessThan(0.03 * Math.abs(change) + 2e-3);
        expect(Math.sign(mean)).toBe(-Math.sign(change));
      }
      expect(changes[0]).not.toBeCloseTo(changes[1], 3);
    }
    await dispose();
  });

  it('leaves parameters, averages and adapters as they were, bit for bit, and no tensors', async () => {
    const { parts, dispose } = await networkParts({ weigh: () => ({ fused: {} }) });
    const { batch, teachers } = madeUpBatch(6, 1);
    const heldOut = reserved();
    const all = { ...parts.parameters, ...parts.frozen };
    const before = await bitsOf(all);
    const counted = held();
    tf.dispose(measureLookAhead(parts, batch, teachers, heldOut) as Record<Head, tf.Tensor>);
    expect(held()).toEqual(counted);
    expect(await bitsOf(all)).toEqual(before);
    await dispose();
  });
});
