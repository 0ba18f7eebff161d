import { count, duration, finite, isFraction, moment, percent, plain, points } from './numbers.js';

describe('numbers', () => {
  it.each([
    [0.05, '0.05'],
    [12.3456, '12.35'],
    [0.1 + 0.2, '0.3'],
    [-2.5, '−2.5'],
    [1234.5, '1\u202f235'],
    [1e-4, '1e-4'],
    [3.14e-5, '3.1e-5'],
    [2.5e7, '2.5e7'],
    [0, '0'],
    [undefined, '–'],
  ])('plain(%p) is %s', (value, text) => expect(plain(value)).toBe(text));

  it.each([
    [5, '5 s'],
    [0.25, '0.3 s'],
    [59.4, '59 s'],
    [59.7, '1 min 0 s'],
    [640, '10 min 40 s'],
    [3725, '1 h 2 min'],
  ])('duration(%p) is %s', (seconds, text) => expect(duration(seconds)).toBe(text));

  it('writes fractions in percent and their differences in points', () => {
    expect(percent(0.81234)).toBe('81.23%');
    expect(percent(undefined)).toBe('–');
    expect(points(0.013)).toBe('+1.30');
    expect(points(-0.013)).toBe('−1.30');
    expect(points(-0.00001)).toBe('±0.00');
  });

  it('groups thousands', () => {
    expect([999, 1000, 1234567].map(count)).toEqual(['999', '1\u202f000', '1\u202f234\u202f567']);
  });

  it('takes for missing what JSON makes of NaN and the infinities', () => {
    const [nan, infinite, zero] = JSON.parse(JSON.stringify([NaN, Infinity, 0])) as unknown[];
    expect([nan, infinite, zero, NaN, 'x'].map(finite)).toEqual([undefined, undefined, 0, undefined, undefined]);
  });

  it('knows which metrics are fractions', () => {
    expect(
      ['top-1', 'top-5', 'calibration-error', 'agreement/r20', 'accuracy', 'exact-match', 'per-class-accuracy'].every(
        isFraction,
      ),
    ).toBe(true);
    expect(['loss', 'kl', 'top', 'stop-1'].some(isFraction)).toBe(false);
  });

  it('writes a moment in UTC and leaves anything else alone', () => {
    expect(moment('2026-03-01T09:30:12.345Z')).toBe('2026-03-01 09:30 UTC');
    expect(moment('yesterday')).toBe('yesterday');
  });
});
