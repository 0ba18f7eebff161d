import { top1 } from './accuracy.js';
import { perClassAccuracy } from './per-class-accuracy.js';
import { evaluate, randomSamples } from './test-support/evaluate.js';

it('counts true classes in rows and predicted ones in columns', () => {
  const logits = [
    [3, 1, 2],
    [1, 3, 2],
    [0, 2, 1],
    [0, 1, 9],
  ];
  expect(evaluate(perClassAccuracy, { logits, label: [0, 0, 1, 1] })).toEqual({
    'mean-class-accuracy': 1 / 2,
    'per-class-accuracy': [1 / 2, 1 / 2, 0],
    confusion: [
      [1, 1, 0],
      [0, 1, 1],
      [0, 0, 0],
    ],
  });
});

it('counts a sample with NaN against its class and in no column', () => {
  const logits = [
    [1, 0],
    [NaN, 0],
  ];
  expect(evaluate(perClassAccuracy, { logits, label: [0, 0] })).toEqual({
    'mean-class-accuracy': 1 / 2,
    'per-class-accuracy': [1 / 2, 0],
    confusion: [
      [1, 0],
      [0, 0],
    ],
  });
});

it('has the trace of top-1 and the rows of the labels', () => {
  const samples = randomSamples(200, 6);
  const { confusion } = evaluate(perClassAccuracy, samples) as { confusion: number[][] };
  const trace = confusion.reduce((sum, row, c) => sum + row[c], 0);
  expect(trace / 200).toBe(evaluate(top1, samples)['top-1']);
  expect(confusion.map((row) => row.reduce((a, b) => a + b))).toEqual(
    confusion.map((_, c) => samples.label.filter((y) => y === c).length),
  );
});
