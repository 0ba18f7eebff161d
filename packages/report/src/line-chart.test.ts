import { lineChart, linePath, thin, type Point } from './line-chart.js';

const known: Point[] = [
  { x: 0, y: 0 },
  { x: 1, y: 10 },
  { x: 2, y: 5 },
];

/** The path data of the first line of a chart. */
const firstPath = (text: string) => /class="line" d="([^"]*)"/.exec(text)![1];

describe('linePath', () => {
  const twice = (value: number) => 2 * value;

  it('joins points', () => {
    expect(linePath(known, twice, (y) => 100 - y)).toBe('M0 100L2 90L4 95');
  });

  it('breaks where a value is missing', () => {
    const points = [...known, { x: 3, y: undefined }, { x: 4, y: 1 }, { x: 5, y: 2.345 }];
    expect(linePath(points, twice, (y) => y)).toBe('M0 0L2 10L4 5M8 1L10 2.3');
  });
});

describe('thin', () => {
  it('leaves short series alone', () => {
    expect(thin(known)).toBe(known);
  });

  it('averages equal runs, over the finite values of each', () => {
    const points = [1, 3, undefined, 4, undefined, undefined, 7].map((y, x) => ({ x, y }));
    expect(thin(points, 4)).toEqual([
      { x: 0.5, y: 2 },
      { x: 2.5, y: 4 },
      { x: 4.5, y: undefined },
      { x: 6, y: 7 },
    ]);
  });
});

describe('lineChart', () => {
  it('puts the corners of the data at the corners of the plot', () => {
    const { text } = lineChart({ title: 't', xLabel: 'epoch', series: [{ name: 'a', points: known }] })!;
    // 400 × 236, margins 52, 10, 10 and 36: x from 52 to 390, y from 200 (0) up to 10 (10)
    expect(firstPath(text)).toBe('M52 200L221 10L390 105');
  });

  it('is logarithmic where values span more than two decades, and says so', () => {
    const points = [1, 10, 1000].map((y, x) => ({ x, y }));
    const { text } = lineChart({ title: 't', xLabel: 'x', series: [{ name: 'a', points }] })!;
    expect(text).toContain('t (log scale)');
    expect(firstPath(text)).toBe('M52 200L221 136.7L390 10');
  });

  it('draws a single point as a dot', () => {
    const { text } = lineChart({ title: 't', xLabel: 'x', series: [{ name: 'a', points: [{ x: 1, y: 5 }] }] })!;
    expect(text).toMatch(/<circle cx="390" cy="105" r="4"\/>/);
  });

  it('marks values that are not finite, and draws nothing without any that is', () => {
    const points = [
      { x: 0, y: 1 },
      { x: 1, y: undefined },
      { x: 2, y: 2 },
    ];
    expect(
      lineChart({ title: 't', xLabel: 'x', series: [{ name: 'a', points }] })!.text.match(/×<\/text>/g),
    ).toHaveLength(1);
    expect(lineChart({ title: 't', xLabel: 'x', series: [{ name: 'a', points: [points[1]] }] })).toBeUndefined();
    expect(lineChart({ title: 't', xLabel: 'x', series: [] })).toBeUndefined();
  });

  it('tells lines beyond the colors apart by dashes', () => {
    const series = Array.from({ length: 8 }, (_, i) => ({ name: `t${i}`, points: known }));
    const { text } = lineChart({ title: 't', xLabel: 'x', series })!;
    const styles = [...text.matchAll(/<g class="([^"]*)"/g)].map((match) => match[1]);
    expect(new Set(styles).size).toBe(8);
  });

  it('shades bands, which widen the axis', () => {
    const points: Point[] = [
      { x: 0, y: 5, band: [0, 10] },
      { x: 1, y: 5, band: [5, 5] },
    ];
    const { text } = lineChart({ title: 't', xLabel: 'x', series: [{ name: 'a', points, color: 3 }] })!;
    expect(text).toContain('<path class="band" d="M52 10L390 105L390 105L52 200Z"/>');
    expect(text).toContain('<g class="s3">');
  });

  it('marks where something changes, the label on the side with more room', () => {
    const chart = (x: number) =>
      lineChart({
        title: 't',
        xLabel: 'x',
        series: [{ name: 'a', points: known }],
        boundary: { x, label: 'stage 2' },
      })!.text;
    expect(chart(0.5)).toContain('<path class="reference" d="M136.5 10V200"/>');
    expect(chart(0.5)).toContain('<text x="136.5" y="7">stage 2</text>');
    expect(chart(1.5)).toContain('<text class="end" x="305.5" y="7">stage 2</text>');
    expect(chart(3)).not.toContain('stage 2');
  });

  it('gives the script every x once, with the values there', () => {
    const series = [
      { name: '<a>', points: known },
      { name: 'b', points: [{ x: 1, y: 7 }] },
    ];
    const { text } = lineChart({ title: 't', xLabel: 'epoch', series })!;
    const json = /data-tip="([^"]*)"/
      .exec(text)![1]
      .replaceAll('&quot;', '"')
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>');
    expect(JSON.parse(json)).toEqual({
      names: ['<a>', 'b'],
      styles: ['s0', 's1'],
      rows: [
        [52, 'epoch 0', ['0', 0]],
        [221, 'epoch 1', ['10', '7']],
        [390, 'epoch 2', ['5', 0]],
      ],
    });
  });
});
