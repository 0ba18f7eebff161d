import { meanCurve, renderGrid } from './grid-page.js';
import { summarizeGrid } from './grid-summary.js';
import { syntheticActingGrid, syntheticGrid } from './test-support/synthetic-grid.js';

describe('renderGrid', () => {
  const page = renderGrid(summarizeGrid(syntheticGrid({ epochs: 12 })));

  it('shows results, differences, curves, weights and costs, in words and drawings', () => {
    for (const part of [
      '<span class="status finished">15 runs</span>',
      'test/top-1, last epoch',
      'test/top-1, best on validation',
      'Minus none, last epoch',
      'Validation top-1',
      'equal: logit',
      'agent: logit',
      'Time and memory',
      '<desc>none: 61.40 [59.98, 62.82], n = 5; ',
    ]) {
      expect(page).toContain(part);
    }
  });

  it('gives an arm one color throughout', () => {
    const colors = [...page.matchAll(/<g class="s(\d)">\s*<title>equal/g)].map((match) => match[1]);
    expect(new Set(colors)).toEqual(new Set(['1']));
  });

  it('tells failures and escapes what they say', () => {
    const grid = syntheticGrid();
    const failed = renderGrid(
      summarizeGrid({
        ...grid,
        results: grid.results.slice(1),
        failures: [{ arm: 'none', seed: 1, error: '<script>alert(1)</script>' }],
      }),
    );
    expect(failed).toContain('14 of 15 runs');
    expect(failed).toContain('none, seed 1, failed');
    expect(failed.match(/<script/g)).toHaveLength(1);
  });

  it('is the same text for the same grid', () => {
    expect(renderGrid(summarizeGrid(syntheticGrid({ epochs: 12 })))).toBe(page);
  });
});

describe('renderGrid of who acts', () => {
  const page = renderGrid(summarizeGrid(syntheticActingGrid()));

  it('draws interquartile means over environment steps, a band around each', () => {
    expect(page).toContain('Validation return');
    expect(page).toContain('band: its 95 % bootstrap interval');
    expect(page).toMatch(/<text class="middle label"[^>]*>environment steps</);
    expect(page.match(/class="band"/g)).toHaveLength(3);
    expect(page).toContain('environment steps 20');
    expect(page).toContain('<desc>teacher: 499.5 [');
    expect(page.slice(page.indexOf('<main>'))).not.toMatch(/\d%/);
  });

  it('keeps to epochs where runs count different things', () => {
    const grid = syntheticActingGrid();
    delete grid.results[0].seen;
    expect(renderGrid(summarizeGrid(grid))).toMatch(/<text class="middle label"[^>]*>epoch</);
  });
});

describe('meanCurve', () => {
  it('is the mean of the runs that are there, with a deviation to each side, inside the limits', () => {
    const curve = meanCurve(
      [
        { x: [1, 2], y: [0.2, 0.9] },
        { x: [1, 2, 3], y: [0.4, null, 0.7] },
        { x: undefined, y: undefined },
      ],
      [0.2, 1],
    );
    expect(curve.map(({ x }) => x)).toEqual([1, 2, 3]);
    expect(curve[0].y).toBeCloseTo(0.3, 12);
    // Deviation 0.1 · √2 reaches down to 0.159.
    expect(curve[0].band![0]).toBe(0.2);
    expect(curve[0].band![1]).toBeCloseTo(0.3 + 0.1 * Math.SQRT2, 12);
    expect(curve.slice(1)).toEqual([
      { x: 2, y: 0.9 },
      { x: 3, y: 0.7 },
    ]);
  });
});
