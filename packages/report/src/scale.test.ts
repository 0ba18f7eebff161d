import { linearScale, logScale, niceStep } from './scale.js';

describe('linearScale', () => {
  it('rounds its ends outwards and puts them where the range says', () => {
    const scale = linearScale([0.13, 0.87], [100, 0], { tickCount: 4 });
    expect(scale.domain[0]).toBeCloseTo(0, 12);
    expect(scale.domain[1]).toBeCloseTo(1, 12);
    expect(scale.ticks).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(scale(0)).toBeCloseTo(100, 9);
    expect(scale(0.25)).toBeCloseTo(75, 9);
    expect(scale(1)).toBeCloseTo(0, 9);
  });

  it('keeps its ends where rounding is off, and its limits where it is on', () => {
    expect(linearScale([0, 7], [0, 70], { round: false })(7)).toBe(70);
    expect(linearScale([0.95, 1], [0, 1], { limits: [0, 1] }).domain[1]).toBe(1);
  });

  it('gives room around a single value', () => {
    for (const value of [0, 3, -2, 1]) {
      const scale = linearScale([value, value], [0, 10], { limits: value === 1 ? [0, 1] : undefined });
      expect(Number.isFinite(scale(value))).toBe(true);
      expect(scale.ticks.length).toBeGreaterThan(1);
    }
  });

  it('has ticks without the dust of sums', () => {
    expect(linearScale([0, 0.7], [0, 1], { tickCount: 7 }).ticks).toEqual([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]);
  });
});

describe('logScale', () => {
  it('spaces decades evenly', () => {
    const scale = logScale([0.012, 80], [0, 4]);
    expect(scale.domain).toEqual([0.01, 100]);
    expect(scale.ticks).toEqual([0.01, 0.1, 1, 10, 100]);
    expect(scale.ticks.map(scale).map((at) => Number(at.toFixed(9)))).toEqual([0, 1, 2, 3, 4]);
  });

  it('thins its ticks over many decades', () => {
    expect(logScale([1e-12, 1], [0, 1]).ticks.length).toBeLessThanOrEqual(7);
  });
});

it('niceStep is the next of 1, 2, 5 times a power of ten', () => {
  expect([0.1, 0.11, 0.3, 0.6, 1, 7, 20, 21].map(niceStep)).toEqual([0.1, 0.2, 0.5, 1, 1, 10, 20, 50]);
});
