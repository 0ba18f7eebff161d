import { decodeFloat16, encodeFloat16 } from './float16.js';

/** The nearest half-precision number, ties to even, from what the format is: 11 significant bits, no step below 2⁻²⁴. */
function nearestHalf(value: number): number {
  const magnitude = Math.abs(value);
  if (magnitude === 0 || !Number.isFinite(value)) return value;
  const step = 2 ** Math.max(-24, Math.floor(Math.log2(magnitude)) - 10);
  const steps = magnitude / step;
  const low = Math.floor(steps);
  const up = steps - low > 0.5 || (steps - low === 0.5 && low % 2 === 1);
  return Math.sign(value) * (low + (up ? 1 : 0)) * step;
}

function rounded(values: number[]): number[] {
  const halves = new Uint16Array(values.length);
  encodeFloat16(Float32Array.from(values), halves);
  const decoded = new Float32Array(values.length);
  decodeFloat16(halves, decoded);
  return Array.from(decoded);
}

describe('float16', () => {
  it('decodes and encodes all its numbers without a change', () => {
    const halves = Uint16Array.from({ length: 2 ** 16 }, (_, half) => half);
    const values = new Float32Array(2 ** 16);
    decodeFloat16(halves, values);
    // Ascending from the least to the largest, in the order of the bits.
    for (let half = 1; half <= 0x7c00; half++) expect(values[half]).toBeGreaterThan(values[half - 1]);
    const again = new Uint16Array(2 ** 16);
    encodeFloat16(values, again);
    const notNumbers = (half: number) => (half & 0x7fff) > 0x7c00;
    expect(again.filter((_, half) => !notNumbers(half))).toEqual(halves.filter((half) => !notNumbers(half)));
    expect(values.filter((_, half) => notNumbers(half)).every(Number.isNaN)).toBe(true);
  });

  it('knows the numbers the standard names', () => {
    const halves = [0x3c00, 0x0001, 0x0400, 0x7bff, 0x8000, 0xc000, 0x3555, 0x7c00];
    const values = new Float32Array(halves.length);
    decodeFloat16(halves, values);
    const expected = [1, 2 ** -24, 2 ** -14, 65504, -0, -2, 0.333251953125, Infinity];
    expect(Array.from(values)).toEqual(expected);
  });

  it('rounds to the nearest, ties to even', () => {
    const values: number[] = [0, -0, 1 + 2 ** -11, 1 + 3 * 2 ** -11, 2 ** -25, 3 * 2 ** -25, 2 ** -26, 65519];
    // Over all exponents, negative ones too, with ties and their neighbours among them.
    for (let exponent = -30; exponent < 16; exponent++) {
      for (let i = 0; i < 64; i++) {
        const fraction = 1 + ((i * 0x9e3779b1) % 2 ** 23) / 2 ** 23;
        const tie = 1 + (2 * i + 1) / 2 ** 11;
        for (const value of [fraction, tie, tie + 2 ** -23, tie - 2 ** -23]) {
          values.push(Math.fround((i % 2 ? -1 : 1) * value * 2 ** exponent));
        }
      }
    }
    const small = values.filter((value) => Math.abs(value) < 65520);
    expect(rounded(small)).toEqual(small.map(nearestHalf));
  });

  it('keeps what is not finite and refuses what would become so', () => {
    expect(rounded([Infinity, -Infinity, NaN])).toEqual([Infinity, -Infinity, NaN]);
    expect(() => rounded([65520])).toThrow(new RangeError('65520 is beyond 65504, the largest float16'));
    expect(() => rounded([-1e9])).toThrow(RangeError);
  });
});
