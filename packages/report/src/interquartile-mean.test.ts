import { describeScores, interquartileMean, quantile } from './interquartile-mean.js';

/** Every way to draw n of n values with replacement. */
function allResamples(values: number[]): number[][] {
  return values.reduce<number[][]>((drawn) => drawn.flatMap((one) => values.map((value) => [...one, value])), [[]]);
}

const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);

describe('interquartileMean', () => {
  it.each([
    // scipy.stats.trim_mean(values, 0.25), whole values cut off at both ends.
    [[7], 7],
    [[1, 2, 9], 4],
    [[1, 100, 2, 3], 2.5],
    // 2, 4 and 5 are left; counting 1.25 of the five at either end would give 3.7.
    [[5, 1, 4, 2, 30], 11 / 3],
    [[8, 1, 2, 3, 4, 5, 6, 70], 4.5],
    [[0, 1, 2, 3, 4, 5, 6, 7, 100], 4],
    [[-500, -80, -90, -100, -85], -275 / 3],
  ])('of %j is %f', (values, expected) => {
    expect(interquartileMean(values)).toBeCloseTo(expected, 12);
  });

  it('takes no notice of order or of one runaway score', () => {
    expect(interquartileMean([3, 1, 2, 4])).toBe(interquartileMean([4, 3, 2, 1]));
    expect(interquartileMean([1, 2, 3, 1e9])).toBe(2.5);
  });
});

describe('quantile', () => {
  it('lies between neighbors, as numpy.percentile', () => {
    expect([0, 0.1, 0.25, 0.5, 1].map((p) => quantile([1, 2, 4, 8], p))).toEqual([1, 1.3, 1.75, 3, 8]);
    expect(quantile([5], 0.3)).toBe(5);
  });
});

describe('describeScores', () => {
  it('has the interval of all resamples there are', () => {
    const values = [2, 3, 5, 9, 10];
    const exact = allResamples(values).map((drawn) => sum(drawn.sort((a, b) => a - b).slice(1, 4)) / 3);
    exact.sort((a, b) => a - b);
    const { n, value, interval } = describeScores([values])!;
    expect([n, value]).toEqual([5, 17 / 3]);
    // Of 3125 equally likely resamples these are the 2.5 % and 97.5 % points; neighbors lie a third apart.
    expect(Math.abs(interval![0] - quantile(exact, 0.025))).toBeLessThan(0.34);
    expect(Math.abs(interval![1] - quantile(exact, 0.975))).toBeLessThan(0.34);
    const [low, high] = describeScores([values], { level: 0.5, resamples: 20_000 })!.interval!;
    expect(Math.abs(low - quantile(exact, 0.25))).toBeLessThan(0.34);
    expect(Math.abs(high - quantile(exact, 0.75))).toBeLessThan(0.34);
  });

  it('draws the middle value half of the time of two', () => {
    // 0, 1/2, 1/2 and 1, a quarter each.
    expect(describeScores([[0, 1]])!.interval).toEqual([0, 1]);
    expect(describeScores([[0, 1]], { level: 0.4 })!.interval).toEqual([0.5, 0.5]);
  });

  it('draws within tasks, so that tasks that agree in themselves leave no doubt', () => {
    const tasks = [
      [1, 1, 1, 1],
      [9, 9, 9, 9],
    ];
    expect(describeScores(tasks)).toEqual({ n: 8, value: 5, interval: [5, 5] });
    const [low, high] = describeScores([tasks.flat()])!.interval!;
    expect(high - low).toBeGreaterThan(4);
  });

  it('covers the true middle of many samples about as often as it says', () => {
    // Triangular scores around 0: sums of two dice, 12 of each sample.
    let state = 1;
    const die = () => (state = (state * 48271) % 2147483647) / 2147483647 - 0.5;
    const covered = Array.from({ length: 200 }, () => {
      const { interval } = describeScores([Array.from({ length: 12 }, () => die() + die())], { resamples: 400 })!;
      return interval![0] <= 0 && interval![1] >= 0 ? 1 : 0;
    });
    // Percentile intervals of a dozen are a little narrow: 0.9 to 0.95.
    expect(sum(covered) / 200).toBeGreaterThan(0.86);
    expect(sum(covered) / 200).toBeLessThan(0.99);
  });

  it('is the same every time, has no interval of one score, and is nothing of none', () => {
    expect(describeScores([[1, 5, 6, 9, 2]])).toEqual(describeScores([[1, 5, 6, 9, 2]]));
    expect(describeScores([[3]])).toEqual({ n: 1, value: 3 });
    expect(describeScores([[]])).toBeUndefined();
  });
});
