import { bytes, count, duration, metricText, percent, plural, table, wrap } from './text.js';

it.each([
  [duration(0.04), '0 s'],
  [duration(4.24), '4.2 s'],
  [duration(59.4), '59 s'],
  [duration(59.6), '1 min 0 s'],
  [duration(3599.7), '1 h 0 min'],
  [duration(3725), '1 h 2 min'],
  [duration(Infinity), '–'],
  [bytes(0), '0 B'],
  [bytes(1023), '1023 B'],
  [bytes(1536), '1.5 KiB'],
  [bytes(3 * 2 ** 30), '3 GiB'],
  [count(272474), '272,474'],
  [plural(1, 'epoch'), '1 epoch'],
  [plural(1000, 'step'), '1,000 steps'],
  [percent(0.8126), '81.3 %'],
  [metricText('test/top-1', 0.5), '50.0 %'],
  [metricText('nll', 1.23456), '1.235'],
  [metricText('validation/success', 0.25), '25.0 %'],
  [
    metricText('confusion', [
      [1, 0],
      [0, 1],
    ]),
    '(2 values)',
  ],
  [metricText('top-1', undefined), '–'],
])('%j is %j', (text, expected) => {
  expect(text).toBe(expected);
});

it('sets tables in columns', () => {
  expect(
    table(
      ['name', 'n'],
      [
        ['a', '10'],
        ['longer', '5'],
      ],
      [1],
    ),
  ).toBe(['name     n', '──────  ──', 'a       10', 'longer   5'].join('\n'));
  expect(
    table(
      [],
      [
        ['a', 'b'],
        ['long', 'c'],
      ],
    ),
  ).toBe('a     b\nlong  c');
});

it('breaks lines at spaces and never inside a word', () => {
  expect(wrap('one two three supercalifragilistic four', 9)).toEqual([
    'one two',
    'three',
    'supercalifragilistic',
    'four',
  ]);
});
