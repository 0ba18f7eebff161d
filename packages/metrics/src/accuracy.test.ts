import { top1, top5 } from './accuracy.js';
import { evaluate, randomSamples } from './test-support/evaluate.js';

describe('top-1', () => {
  it('counts by hand', () => {
    const logits = [
      [3, 1, 2],
      [0, 0.5, 0.25],
      [-1, -2, -3],
    ];
    expect(evaluate(top1, { logits, label: [0, 1, 2] })).toEqual({ 'top-1': 2 / 3 });
  });

  it('takes the first of equal logits', () => {
    const logits = [
      [1, 1, 0],
      [1, 1, 0],
    ];
    expect(evaluate(top1, { logits, label: [0, 1] })).toEqual({ 'top-1': 1 / 2 });
  });

  it('counts a sample with NaN as wrong', () => {
    const logits = [
      [1, NaN, 0],
      [NaN, NaN, NaN],
      [1, 0, 0],
    ];
    expect(evaluate(top1, { logits, label: [0, 0, 0] })).toEqual({ 'top-1': 1 / 3 });
  });

  it('leaves samples without a label out', () => {
    const samples = randomSamples(40, 6);
    const label = samples.label.map((own, i) => (i % 3 === 0 ? own : -1));
    const labeled = (_: unknown, i: number) => i % 3 === 0;
    const kept = { logits: samples.logits.filter(labeled), label: samples.label.filter(labeled) };
    for (const part of [top1, top5]) {
      expect(evaluate(part, { logits: samples.logits, label })).toEqual(evaluate(part, kept));
    }
    expect(() => evaluate(top1, { logits: [[1, 0]], label: [-1] })).toThrow('has seen no labeled sample');
  });

  it('refuses to divide by no samples', () => {
    expect(() => evaluate(top1, { logits: [[1, 0]], label: [] })).toThrow('metric "top-1" has seen no labeled sample');
  });
});

describe('top-5', () => {
  it.each([1, 7, 300])('equals sorting, ties in class order, in batches of %d', (batchSize) => {
    const samples = randomSamples(300, 12);
    const hits = samples.logits.filter((row, i) =>
      row
        .map((value, c) => ({ value, c }))
        .sort((a, b) => b.value - a.value || a.c - b.c)
        .slice(0, 5)
        .some(({ c }) => c === samples.label[i]),
    );
    expect(evaluate(top5, samples, { batchSize })).toEqual({ 'top-5': hits.length / 300 });
  });

  it('is refused with fewer than five classes', () => {
    expect(() => evaluate(top5, { logits: [[1, 2, 3, 4]], label: [0] })).toThrow(
      'metrics[0]: metric "top-5" needs at least 5 classes, the data set has 4',
    );
    expect(evaluate(top5, { logits: [[1, 2, 3, 4, 5]], label: [0] })).toEqual({ 'top-5': 1 });
  });
});
