import { Seeds } from '@retort/core';
import { foldByClass, labelledByClass, limitByClass, splitByClass, type Sample } from './split.js';

const seeds = new Seeds(3);
/** Class 0 has 40 samples, class 1 has 20, class 2 has 10. */
const samples: Sample[] = [40, 20, 10]
  .flatMap((count, label) => Array.from({ length: count }, () => label))
  .map((label, index) => ({ index, label }));

function countsOf(part: Sample[]): number[] {
  return [0, 1, 2].map((label) => part.filter((sample) => sample.label === label).length);
}

describe('splitByClass', () => {
  it('takes the fraction of every class and leaves the rest, in order', () => {
    const { taken, rest } = splitByClass(samples, 0.3, seeds);
    expect(countsOf(taken)).toEqual([12, 6, 3]);
    expect(countsOf(rest)).toEqual([28, 14, 7]);
    const numbers = [...taken, ...rest].map(({ index }) => index);
    expect(new Set(numbers).size).toBe(samples.length);
    for (const part of [taken, rest]) expect(part).toEqual([...part].sort((a, b) => a.index - b.index));
  });

  it('depends on the seed, and on nothing else', () => {
    const { taken } = splitByClass(samples, 0.3, seeds);
    expect(splitByClass(samples, 0.3, new Seeds(3)).taken).toEqual(taken);
    expect(splitByClass([...samples].reverse(), 0.3, seeds).taken).toEqual([...taken].reverse());
    expect(splitByClass(samples, 0.3, new Seeds(4)).taken).not.toEqual(taken);
  });

  it('keeps one sample of every class', () => {
    expect(countsOf(splitByClass(samples, 0.99, seeds).rest)).toEqual([1, 1, 1]);
  });

  it('keeps what it took when the fraction grows, and most of it when samples are added', () => {
    const taken = new Set(splitByClass(samples, 0.2, seeds).taken);
    for (const sample of taken) expect(splitByClass(samples, 0.4, seeds).taken).toContain(sample);
    const more = [...samples, ...samples.map(({ index, label }) => ({ index: index + 70, label }))];
    const after = splitByClass(more, 0.2, seeds).taken.filter(({ index }) => index < 70);
    const stayed = after.filter((sample) => taken.has(sample)).length;
    expect(stayed / after.length).toBeGreaterThan(0.6);
  });
});

describe('foldByClass', () => {
  it('puts every sample into one fold, with equal shares of every class', () => {
    const parts = [0, 1, 2].map((fold) => foldByClass(samples, { folds: 3, fold }, seeds));
    const numbers = parts.flatMap(({ taken }) => taken.map(({ index }) => index));
    expect(numbers.sort((a, b) => a - b)).toEqual(samples.map(({ index }) => index));
    // 40, 20 and 10 dealt one after the other to three: 14 13 13, then 6 7 7, then 4 3 3, or so.
    for (const { taken, rest } of parts) {
      const counts = countsOf(taken);
      [40, 20, 10].forEach((all, label) => expect(Math.abs(counts[label] - all / 3)).toBeLessThan(1));
      expect([23, 24]).toContain(taken.length);
      expect(rest).toEqual(samples.filter((sample) => !taken.includes(sample)));
    }
  });

  it('depends on the seed', () => {
    const [one, other] = [seeds, new Seeds(4)].map((of) => foldByClass(samples, { folds: 5, fold: 2 }, of).taken);
    expect(foldByClass(samples, { folds: 5, fold: 2 }, new Seeds(3)).taken).toEqual(one);
    expect(other).not.toEqual(one);
  });
});

describe('labelledByClass', () => {
  it('knows a fraction of every class, one sample at least', () => {
    expect(countsOf([...labelledByClass(samples, 0.1, seeds)])).toEqual([4, 2, 1]);
    expect(countsOf([...labelledByClass(samples, 0.01, seeds)])).toEqual([1, 1, 1]);
    expect(countsOf([...labelledByClass(samples, 1, seeds)])).toEqual([40, 20, 10]);
  });

  it('knows more at a greater fraction, and all it knew before', () => {
    const few = labelledByClass(samples, 0.1, seeds);
    const more = labelledByClass(samples, 0.5, seeds);
    for (const sample of few) expect(more.has(sample)).toBe(true);
  });
});

describe('limitByClass', () => {
  it('keeps as many of every class as it can', () => {
    expect(countsOf(limitByClass(samples, 12, seeds))).toEqual([4, 4, 4]);
    expect(countsOf(limitByClass(samples, 40, seeds))).toEqual([15, 15, 10]);
    expect(limitByClass(samples, 1, seeds)).toHaveLength(1);
  });

  it('changes nothing without a limit or with a generous one', () => {
    expect(limitByClass(samples, undefined, seeds)).toBe(samples);
    expect(limitByClass(samples, 70, seeds)).toBe(samples);
  });
});
