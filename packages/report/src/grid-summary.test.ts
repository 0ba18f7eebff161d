import { summarizeGrid } from './grid-summary.js';
import { describeDifferences } from './statistics.js';
import { syntheticGrid, syntheticResult } from './test-support/synthetic-grid.js';

describe('summarizeGrid', () => {
  const grid = syntheticGrid();
  const { arms, differences, remarks } = summarizeGrid(grid);

  it('describes each arm over its seeds, last and best apart', () => {
    expect(arms.map(({ name }) => name)).toEqual(['none', 'equal', 'agent']);
    expect(arms[0].values.last!.mean).toBeCloseTo(0.614, 12);
    expect(arms[0].values.best!.mean).toBeCloseTo(0.624, 12);
    // Squares of ±0.4, 0.6, −1.4, 1.6, −0.4 percent, over 4.
    expect(arms[0].values.last!.deviation).toBeCloseTo(Math.sqrt((0.16 + 0.36 + 1.96 + 2.56 + 0.16) / 4) / 100, 12);
    expect(arms[0].seconds!.mean).toBe(63);
    expect(remarks).toEqual([]);
  });

  it('pairs by seed', () => {
    expect(differences.map(({ arm }) => arm)).toEqual(['equal', 'agent']);
    const expected = describeDifferences([0.07, 0.05, 0.06, 0.06, 0.06])!;
    const equal = differences[0].values.last!;
    expect(equal.mean).toBeCloseTo(expected.mean, 12);
    expect(equal.interval![0]).toBeCloseTo(expected.interval![0], 10);
    // Narrower than the arms' own deviations would have it, which pairing is for.
    expect(equal.deviation).toBeLessThan(arms[0].values.last!.deviation!);
  });

  it('adjusts p-values over the comparisons of one student', () => {
    const [equal, agent] = differences.map(({ values }) => values.last!);
    expect(equal.p).toBeLessThan(agent.p!);
    expect(equal.adjustedP).toBeCloseTo(2 * equal.p!, 15);
    expect(agent.adjustedP).toBe(agent.p);
  });

  it('does not ask for an order of results', () => {
    const reversed = summarizeGrid({ ...grid, results: [...grid.results].reverse() });
    expect(reversed.arms).toEqual(arms);
    expect(reversed.differences).toEqual(differences);
  });

  it('pairs what both have, and says what is missing', () => {
    const summary = summarizeGrid({
      ...grid,
      arms: [grid.arms[0], { ...grid.arms[1], seeds: [1, 2, 3, 4, 5, 6, 7] }],
      results: grid.results.filter(
        ({ arm, seed }) => !(arm === 'none' && seed === 2) && !(arm === 'equal' && seed >= 4),
      ),
      failures: [{ arm: 'equal', seed: 5, error: 'loss kd is not finite' }],
    });
    expect(summary.differences[0].values.last!.n).toBe(2);
    expect(summary.differences[0].missing).toEqual([2, 4, 5]);
    expect(summary.remarks).toEqual([
      'none: 1 of 5 runs are still to be made (seed 2).',
      'equal: seed 5 failed.',
      'equal: 3 of 7 runs are still to be made (seeds 4, 6 and 7).',
      'equal − none: 2 of 5 pairs; seeds 2, 4 and 5 missing.',
    ]);
  });

  it('gives no interval of one run, and says so', () => {
    const one = (arm: string, last: number) => syntheticResult({ arm, seed: 1, last });
    const summary = summarizeGrid({
      ...grid,
      arms: grid.arms.slice(0, 2).map((arm) => ({ ...arm, seeds: [1] })),
      results: [one('none', 0.5), one('equal', 0.75)],
    });
    expect(summary.arms[0].values.last).toEqual({ n: 1, mean: 0.5 });
    expect(summary.differences[0].values.last).toEqual({ n: 1, mean: 0.25 });
    expect(summary.remarks).toEqual([
      'none: one run, so no deviation and no interval.',
      'equal: one run, so no deviation and no interval.',
      'equal − none: one pair, so no interval and no p-value.',
    ]);
  });

  it('leaves out what was not finite, and tells different machines, versions and backends', () => {
    const results = ['none', 'none', 'equal'].map((arm, i) =>
      syntheticResult({ arm, seed: i % 2 === 0 ? 1 : 2, last: 0.5 }),
    );
    results[1].last['test/top-1'] = null;
    results[1].backend = 'cpu';
    results[2].machine = 'slide rule';
    results[2].commit = `${'a'.repeat(40)}+`;
    const { remarks, arms } = summarizeGrid({
      ...grid,
      arms: [
        { ...grid.arms[0], seeds: [1, 2] },
        { ...grid.arms[1], seeds: [1] },
      ],
      results,
    });
    expect(arms[0].values.last!.n).toBe(1);
    expect(remarks).toEqual([
      'none: test/top-1 was not finite with seed 2, which is left out.',
      'none: runs were made on different backends: wasm on 1 thread; cpu on 1 thread.',
      'equal: one run, so no deviation and no interval.',
      'equal − none: one pair, so no interval and no p-value.',
      'Times do not compare: runs were made on abacus, node v20; slide rule.',
      'Runs were made by different versions: 0.1.0; 0.1.0 at aaaaaaaaa with changes.',
    ]);
  });

  it('compares any metric of any split', () => {
    expect(summarizeGrid({ ...grid, metric: 'nll' }).arms[0].values.last!.mean).toBeCloseTo(1.386, 12);
    expect(summarizeGrid({ ...grid, metric: 'validation/top-1' }).remarks).toContain(
      'none: no run has measured validation/top-1.',
    );
  });
});
