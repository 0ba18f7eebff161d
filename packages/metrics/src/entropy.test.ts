import { type Metric, RunError } from '@retort/core';
import { entropy } from './entropy.js';
import { evaluate, randomSamples, softmax } from './test-support/evaluate.js';

it('is worked out by hand', () => {
  // Sure, torn between two of three, and 1/4 against 3/4.
  const logits = [
    [1e4, 0, -1e4],
    [0, 0, -1e4],
    [0, Math.log(3), -1e4],
  ];
  const expected = (0 + Math.log(2) + (Math.log(4) / 4 + (3 * Math.log(4 / 3)) / 4)) / 3;
  expect(evaluate(entropy, { logits, label: [0, 1, 2] }).entropy).toBeCloseTo(expected, 6);
});

it('matches the sum written out, in any batches, whatever the labels, up to log C', () => {
  const { logits } = randomSamples(50, 5);
  const expected = logits.reduce((sum, row) => softmax(row).reduce((s, p) => s - p * Math.log(p), sum), 0) / 50;
  const label = logits.map(() => -1);
  for (const batchSize of [1, 7, 50]) {
    expect(evaluate(entropy, { logits, label }, { batchSize }).entropy).toBeCloseTo(expected, 9);
  }
  expect(evaluate(entropy, { logits: [[2, 2, 2, 2]], label: [0] }).entropy).toBeCloseTo(Math.log(4), 12);
});

it('takes logits over texts, where there are no classes, and refuses what is not finite', () => {
  const metric = entropy.create({} as never, { classes: [], teachers: [], path: 'metrics[0]' }) as Metric;
  metric.update({ size: 2, logits: Float32Array.of(1, 1, 1, 1, 1, 1) });
  expect(metric.result().entropy).toBeCloseTo(Math.log(3), 12);
  expect(() => metric.update({ size: 1, logits: Float32Array.of(NaN, 1) })).toThrow(RunError);
});
