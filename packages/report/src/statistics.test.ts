import { describeDifferences, describeSample, holm, mean, meanInterval, standardDeviation } from './statistics.js';

/** A sample of n values with mean 0 and deviation √n, so that half its interval is the quantile itself. */
function unitSample(n: number): number[] {
  const raw = Array.from({ length: n }, (_, i) => i - (n - 1) / 2);
  const scale = Math.sqrt(n) / standardDeviation(raw);
  return raw.map((value) => value * scale);
}

describe('meanInterval', () => {
  // Quantiles of Student's t as printed in tables, by degrees of freedom.
  it.each([
    [1, 12.706, 6.314],
    [2, 4.303, 2.92],
    [4, 2.776, 2.132],
    [9, 2.262, 1.833],
    [29, 2.045, 1.699],
    [100, 1.984, 1.66],
  ])('has the tabulated quantile at %d degrees of freedom', (freedom, twoSided, oneSided) => {
    expect(meanInterval(unitSample(freedom + 1))[1]).toBeCloseTo(twoSided, 3);
    expect(meanInterval(unitSample(freedom + 1))[0]).toBeCloseTo(-twoSided, 3);
    expect(meanInterval(unitSample(freedom + 1), 0.9)[1]).toBeCloseTo(oneSided, 3);
  });
});

describe('describeSample', () => {
  it('gives mean, deviation and interval', () => {
    // Deviation √(10/4); half the interval 2.776445 · 1.581139 / √5.
    const sample = describeSample([1, 2, 3, 4, 5])!;
    expect(sample).toMatchObject({ n: 5, mean: 3 });
    expect(sample.deviation).toBeCloseTo(Math.sqrt(2.5), 12);
    expect(sample.interval![0]).toBeCloseTo(3 - 1.963243, 5);
    expect(sample.interval![1]).toBeCloseTo(3 + 1.963243, 5);
  });

  it('gives no spread of one value and nothing of none', () => {
    expect(describeSample([7])).toEqual({ n: 1, mean: 7 });
    expect(describeSample([])).toBeUndefined();
  });
});

describe('describeDifferences', () => {
  // Student (1908): ten patients' additional hours of sleep with two drugs; t = 4.0621, p = 0.002833 with 9 degrees of freedom.
  const sleep = [1.2, 2.4, 1.3, 1.3, 0, 1, 1.8, 0.8, 4.6, 1.4];

  it("reproduces Student's own example", () => {
    const difference = describeDifferences(sleep)!;
    expect(difference.mean).toBeCloseTo(1.58, 12);
    expect(difference.p).toBeCloseTo(0.002833, 6);
    expect(difference.interval![0]).toBeCloseTo(0.7001142, 5);
    expect(difference.interval![1]).toBeCloseTo(2.4598858, 5);
    // One-sided at 95 %: 1.58 ∓ 1.833113 · 0.3889587.
    expect(difference.bounds![0]).toBeCloseTo(0.866995, 5);
    expect(difference.bounds![1]).toBeCloseTo(2.293005, 5);
  });

  it('has the p-value of t = 1 with one degree of freedom: a half', () => {
    // Of two values a and b, t = (a + b) / |a − b|.
    expect(describeDifferences([0, 1])!.p).toBeCloseTo(0.5, 6);
  });

  it('is told apart from nothing when all pairs differ by the same, and not when none does', () => {
    expect(describeDifferences([2, 2, 2])).toMatchObject({ mean: 2, interval: [2, 2], p: 0 });
    expect(describeDifferences([0, 0])).toMatchObject({ mean: 0, interval: [0, 0], p: 1 });
  });

  it('says nothing beyond the mean of one pair', () => {
    expect(describeDifferences([3])).toEqual({ n: 1, mean: 3 });
    expect(mean([3])).toBe(3);
  });
});

describe('holm', () => {
  it("adjusts textbook values, in the order given (R's p.adjust)", () => {
    const expected = [0.03, 0.06, 0.06, 0.02];
    holm([0.01, 0.04, 0.03, 0.005]).forEach((value, i) => expect(value).toBeCloseTo(expected[i], 12));
  });

  it('is never less than the one before, nor above one', () => {
    expect(holm([0.5, 0.6, 0.9])).toEqual([1, 1, 1]);
    expect(holm([0.02, 0.021])).toEqual([0.04, 0.04]);
  });

  it('leaves a single value as it is', () => {
    expect(holm([0.03])).toEqual([0.03]);
    expect(holm([])).toEqual([]);
  });
});
