import { gridCsv, gridMarkdown, runsCsv } from './grid-text.js';
import { summarizeGrid } from './grid-summary.js';
import { syntheticActingGrid, syntheticGrid, syntheticResult } from './test-support/synthetic-grid.js';

const whole = syntheticGrid();
/** Two arms of three seeds with differences 0.25, 0.5 and 0.75: mean 1/2, deviation 1/4. */
const small = summarizeGrid({
  ...whole,
  arms: whole.arms.slice(0, 2).map((arm) => ({ ...arm, seeds: [1, 2, 3] })),
  results: [0.25, 0.5, 0.75].flatMap((difference, i) => [
    syntheticResult({ arm: 'none', seed: i + 1, last: 0.125 }),
    syntheticResult({ arm: 'equal', seed: i + 1, last: 0.125 + difference, best: 0.125 }),
  ]),
  failures: [],
});

// Half the 95 % interval is 4.302653 · 0.25 / √3 = 0.621034, with 90 % 2.919986 · 0.25 / √3 = 0.421464;
// t = 0.5 · √3 / 0.25 = 2 √3, and with two degrees of freedom p = 1 − t / √(t² + 2) = 0.074180.
describe('gridMarkdown', () => {
  it('is exactly this', () => {
    expect(gridMarkdown(small)).toBe(`# three-arms

test/top-1 in %: mean ± standard deviation over seeds. Time of training and peak memory: means.

| arm | n | last epoch | best on validation | time | memory | backend |
| --- | --: | --: | --: | --: | --: | --- |
| none | 3 | 12.50 ± 0.00 | 12.50 ± 0.00 | 1 min 2 s | 256 MiB | wasm on 1 thread |
| equal | 3 | 62.50 ± 25.00 | 12.50 ± 0.00 | 1 min 2 s | 256 MiB | wasm on 1 thread |

Paired differences to none over common seeds, in points: mean [95 % interval, Student's t]. One-sided 95 % bounds are each for itself: at least, at most. p: two-sided paired t-test, and adjusted by Holm over 1 comparison.

| last epoch | pairs | difference | one-sided | p | p, Holm |
| --- | --: | --: | --: | --: | --: |
| equal − none | 3 | 50.00 [−12.10, 112.10] | ≥ 7.85, ≤ 92.15 | 0.0742 | 0.0742 |

| best on validation | pairs | difference | one-sided | p | p, Holm |
| --- | --: | --: | --: | --: | --: |
| equal − none | 3 | 0.00 [0.00, 0.00] | ≥ 0.00, ≤ 0.00 | 1.0000 | 1.0000 |
`);
  });

  it('writes other metrics as they are, leaves out a student that no run has, and ends with remarks', () => {
    const text = gridMarkdown(summarizeGrid({ ...whole, metric: 'nll', results: whole.results.slice(0, 6) }));
    expect(text).toContain('\ntest/nll: mean ± standard deviation');
    expect(text).toContain('\n| none | 5 | 1.386 ± 0.0114 |');
    expect(text).not.toContain('best on validation');
    expect(text).toMatch(/\n- agent − none: 0 of 5 pairs; seeds 1, 2, 3, 4 and 5 missing\.\n/);
  });
});

describe('gridCsv', () => {
  it('is exactly this', () => {
    expect(gridCsv(small)).toBe(
      [
        'arm,student,metric,n,mean,deviation,low,high,baseline,pairs,difference,difference_low,difference_high,at_least,at_most,p,p_holm,seconds,memory_bytes',
        'none,last,test/top-1,3,0.125,0,0.125,0.125,,,,,,,,,,62,268435456',
        'none,best,test/top-1,3,0.125,0,0.125,0.125,,,,,,,,,,62,268435456',
        'equal,last,test/top-1,3,0.625,0.25,0.003965572,1.246034,none,3,0.5,-0.1210344,1.121034,0.07853638,0.9214636,0.0741799,0.0741799,62,268435456',
        'equal,best,test/top-1,3,0.125,0,0.125,0.125,none,3,0,0,0,0,0,1,1,62,268435456',
        '',
      ].join('\n'),
    );
  });
});

describe('runsCsv', () => {
  it('has a line per run and quotes what needs it', () => {
    const lines = runsCsv(small).split('\n');
    expect(lines).toHaveLength(8);
    expect(lines.slice(0, 2)).toEqual([
      'arm,seed,metric,last,best,seconds,memory_bytes,backend,threads,machine,version,commit',
      'none,1,test/top-1,0.125,0.125,61,268435456,wasm,1,"abacus, node v20",0.1.0,',
    ]);
  });
});

describe('tables of who acts', () => {
  const summary = summarizeGrid(syntheticActingGrid());
  const markdown = gridMarkdown(summary);

  it('have interquartile means with bootstrap intervals beside means, and no percent signs', () => {
    expect(markdown).toContain(
      'test/return: interquartile mean (IQM) [its 95 % bootstrap interval], and mean ± standard deviation, over seeds.',
    );
    expect(markdown).toContain(
      '| arm | n | last epoch, IQM | last epoch | best on validation, IQM | best on validation | time |',
    );
    expect(markdown).toContain('| --- | --: | --: | --: | --: | --: | --: | --: | --- |');
    // 498.5, 500 and 500 of five; the mean of all is 482.1 with deviation 39.19.
    expect(markdown).toMatch(/\n\| teacher \| 5 \| 499\.5 \[\d+\.?\d*, 500\] \| 482\.1 ± 39\.19 \|/);
    expect(markdown).toMatch(/\n\| scratch \| 5 \| 205\.5 \[/);
    expect(markdown.replaceAll('95 %', '')).not.toContain('%');
  });

  it('have them in CSV as well, in columns after the others', () => {
    const [head, teacher] = gridCsv(summary).split('\n');
    expect(head).toMatch(/,memory_bytes,iqm,iqm_low,iqm_high$/);
    expect(teacher).toMatch(/^teacher,last,test\/return,5,482\.1,.*,499\.5,[\d.]+,500$/);
    expect(teacher.split(',')).toHaveLength(head.split(',').length);
  });

  it('tell successes in percent', () => {
    const grid = syntheticActingGrid();
    for (const { last } of grid.results) last['test/success'] = 0.75;
    expect(gridMarkdown(summarizeGrid({ ...grid, metric: 'success' }))).toContain('| 75.00 [75.00, 75.00] |');
  });
});
