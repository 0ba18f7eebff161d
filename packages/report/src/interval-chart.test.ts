import { intervalChart } from './interval-chart.js';

const rows = [
  { name: 'a', mean: 5, interval: [0, 10] as [number, number], values: [2, 8], color: 0, text: 'a: 5 [0, 10]' },
  { name: 'an arm with a long name', mean: 7.5, color: 1, text: 'b: 7.5' },
];
const draw = (reference?: { x: number; label: string }) =>
  intervalChart({ title: 't', rows, axisFormat: String, reference })!.text;

describe('intervalChart', () => {
  it('puts means, intervals and values to scale, a row each', () => {
    // The plot reaches from x = 118 (0) to 388 (10); rows are 30 high from y = 18.
    const text = draw();
    expect(text).toContain('<path class="span" d="M118 33H388"/>');
    expect(text).toContain('<circle cx="253" cy="33" r="5"/>');
    expect(text.match(/<circle class="one" cx="(172|334)" cy="42" r="2.5"\/>/g)).toHaveLength(2);
    expect(text).toContain('<circle cx="320.5" cy="63" r="5"/>');
    expect(text.match(/class="span"/g)).toHaveLength(1);
  });

  it('says everything in words too, and whole names where they are cut', () => {
    const text = draw();
    expect(text).toContain('<title>t</title>');
    expect(text).toContain('<desc>a: 5 [0, 10]; b: 7.5</desc>');
    expect(text).toContain('>an arm with a lo…</text>');
  });

  it('reaches the reference', () => {
    expect(draw({ x: -10, label: 'zero' })).toContain('<path class="reference" d="M118 14V78"/>');
  });

  it('draws nothing without rows', () => {
    expect(intervalChart({ title: 't', rows: [], axisFormat: String })).toBeUndefined();
  });
});
