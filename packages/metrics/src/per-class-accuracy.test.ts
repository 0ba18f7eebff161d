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

it('has the trace of top-1, the rows of the labels, and the mean of what top-1 gives for each class', () => {
  const samples = randomSamples(200, 6);
  const result = evaluate(perClassAccuracy, samples) as { confusion: number[][]; 'per-class-accuracy': number[] };
  const { confusion } = result;
  const ofClass = confusion.map((_, c) => {
    const own = (_: unknown, i: number) => samples.label[i] === c;
    return evaluate(top1, { logits: samples.logits.filter(own), label: samples.label.filter(own) })['top-1'] as number;
  });
  expect(result['per-class-accuracy']).toEqual(ofClass);
  expect(result).toMatchObject({ 'mean-class-accuracy': ofClass.reduce((a, b) => a + b) / 6 });
  const trace = confusion.reduce((sum, row, c) => sum + row[c], 0);
  expect(trace / 200).toBe(evaluate(top1, samples)['top-1']);
  expect(confusion.map((row) => row.reduce((a, b) => a + b))).toEqual(
    confusion.map((_, c) => samples.label.filter((y) => y === c).length),
  );
});

it('leaves samples without a label out', () => {
  const logits = [
    [3, 1],
    [0, 1],
    [2, 1],
  ];
  expect(evaluate(perClassAccuracy, { logits, label: [0, -1, 1] })).toEqual({
    'mean-class-accuracy': 1 / 2,
    'per-class-accuracy': [1, 0],
    confusion: [
      [1, 0],
      [1, 0],
    ],
  });
});
