import { scoreCurve } from './score-curve.js';

describe('scoreCurve', () => {
  it('is the interquartile mean of the runs, with the interval as band', () => {
    const x = [100, 200];
    const curve = scoreCurve([1, 2, 4, 90].map((y) => ({ x, y: [y, 7] })));
    expect(curve.map((point) => [point.x, point.y])).toEqual([
      [100, 3],
      [200, 7],
    ]);
    const [low, high] = curve[0].band!;
    expect(low).toBeGreaterThanOrEqual(1);
    expect(low).toBeLessThan(3);
    expect(high).toBeGreaterThan(4);
    expect(curve[1].band).toEqual([7, 7]);
  });

  it('goes straight between the measurements of a run, as far as all runs go', () => {
    const curve = scoreCurve([
      { x: [0, 100, 200], y: [0, 10, 20] },
      { x: [50, 150, 300], y: [1, 3, 30] },
      { x: [20, null, 120, 160], y: [4, 5, 4, 4] },
    ]);
    // At 50: 5, 1, 4; at 100: 10, 2, 4; at 120: 12, 2.4, 4; at 150: 15, 3, 4; at 160: 16, 4.8, 4.
    expect(curve.map(({ x }) => x)).toEqual([50, 100, 120, 150, 160]);
    [10 / 3, 16 / 3, 18.4 / 3, 22 / 3, 24.8 / 3].forEach((y, i) => expect(curve[i].y).toBeCloseTo(y, 12));
  });

  it('leaves out what was not finite, and has no band of one run', () => {
    expect(
      scoreCurve([
        { x: [1, 2, 3], y: [5, null, 7] },
        { x: [], y: [] },
      ]),
    ).toEqual([
      { x: 1, y: 5 },
      { x: 3, y: 7 },
    ]);
    expect(scoreCurve([])).toEqual([]);
  });
});
