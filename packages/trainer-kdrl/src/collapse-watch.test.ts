import { clusterShares, collapseWarnings, effectiveClusters } from './collapse-watch.js';

describe('collapse watch', () => {
  it('counts clusters in use', () => {
    expect(clusterShares([0, 2, 2, 0, 2, 2, 2, 2], 4)).toEqual([0.25, 0, 0.75, 0]);
    expect(clusterShares([], 2)).toEqual([0, 0]);
    expect(effectiveClusters([0.25, 0.25, 0.25, 0.25])).toBeCloseTo(4, 12);
    expect(effectiveClusters([0, 1, 0])).toBe(1);
    expect(effectiveClusters([0.9, 0.1])).toBeCloseTo(0.9 ** -0.9 * 0.1 ** -0.1, 12);
  });

  const start = { entropy: 1, shares: [0.5, 0.25, 0.25], calibrationError: 0.05 };

  it('says nothing while all is well, or nothing was measured', () => {
    expect(collapseWarnings(start, start)).toEqual([]);
    expect(collapseWarnings({ entropy: 0.11, shares: [0.6, 0.4, 0], calibrationError: 0.149 }, start)).toEqual([]);
    expect(collapseWarnings({}, start)).toEqual([]);
    expect(collapseWarnings({ entropy: 0, shares: [1, 0, 0], calibrationError: 1 }, {})).toEqual([]);
    // All samples in one of two clusters is how it was.
    expect(collapseWarnings({ shares: [1, 0] }, { shares: [1, 0] })).toEqual([]);
  });

  it('warns of certainty, of one cluster for all, and of misplaced confidence', () => {
    expect(collapseWarnings({ entropy: 0.09, shares: [0.01, 0.98, 0.01], calibrationError: 0.2 }, start)).toEqual([
      expect.stringContaining('an entropy of 0.0900 nats, 1.00 when stage 2 began'),
      expect.stringContaining('cluster 1 holds 98 % of the samples'),
      expect.stringContaining('the calibration error is 0.200, 0.050 when stage 2 began'),
    ]);
  });

  it('takes other limits', () => {
    expect(collapseWarnings({ entropy: 0.4 }, start, { entropy: 0.5 })).toHaveLength(1);
    expect(collapseWarnings({ shares: [0.6, 0.4, 0] }, start, { clusters: 0.9 })).toHaveLength(1);
    expect(collapseWarnings({ calibrationError: 0.149 }, start, { calibrationError: 0.05 })).toHaveLength(1);
  });
});
