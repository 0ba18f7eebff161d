import { Random } from '@retort/core';
import { cutMix, cutMixBox, mixInto, mixup, randomBeta, randomMix, type Mix } from './mixing.js';

const draws = 20_000;

/** Moments of Beta(alpha, alpha): mean 1/2, variance 1 / (4 (2 alpha + 1)). */
describe('randomBeta', () => {
  it.each([0.2, 0.8, 1, 4])('has the moments of Beta(%d, %d)', (alpha) => {
    const random = new Random([1, 2]);
    const values = Float64Array.from({ length: draws }, () => randomBeta(random, alpha));
    const mean = values.reduce((sum, x) => sum + x, 0) / draws;
    const variance = values.reduce((sum, x) => sum + (x - 0.5) ** 2, 0) / draws;
    const expected = 1 / (4 * (2 * alpha + 1));
    expect(Math.abs(mean - 0.5)).toBeLessThan(5 * Math.sqrt(expected / draws));
    // (x − 1/2)² is at most 1/4, so its deviation is at most 1/8.
    expect(Math.abs(variance - expected)).toBeLessThan(5 * (0.125 / Math.sqrt(draws)));
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values)).toBeLessThanOrEqual(1);
  });

  it('is uniform for alpha 1', () => {
    const random = new Random([3, 4]);
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < draws; i++) counts[Math.floor(randomBeta(random, 1) * 10)]++;
    for (const count of counts) expect(Math.abs(count - draws / 10)).toBeLessThan(5 * Math.sqrt(draws * 0.09));
  });

  it('stays a number for alphas so small that gamma variables are too small for a float', () => {
    const random = new Random([5, 6]);
    for (let i = 0; i < 200; i++) {
      const value = randomBeta(random, 1e-3);
      expect(value >= 0 && value <= 1).toBe(true);
    }
  });
});

describe('cutMixBox', () => {
  it('has the area that is missing, where nothing overhangs', () => {
    // √(1 − 0.75) = 0.5: boxes of 16 x 8 in 32 x 16.
    const random = new Random([1, 2]);
    const boxes = Array.from({ length: 2000 }, () => cutMixBox(random, 0.75, [32, 16]));
    expect(Math.max(...boxes.map(({ height }) => height))).toBe(16);
    expect(Math.max(...boxes.map(({ width }) => width))).toBe(8);
    for (const { top, left, height, width } of boxes) {
      expect(top >= 0 && left >= 0 && top + height <= 32 && left + width <= 16).toBe(true);
      // Centers at the edge leave half of the box.
      expect(height >= 8 && width >= 4).toBe(true);
    }
    // The center is any pixel: rows 8 to 24 keep the whole height, 17 of 32.
    const whole = boxes.filter(({ height }) => height === 16).length;
    expect(Math.abs(whole - 2000 * (17 / 32))).toBeLessThan(5 * Math.sqrt(2000 * (17 / 32) * (15 / 32)));
  });

  it('is the whole image or nothing at the ends', () => {
    const random = new Random([1, 2]);
    expect(cutMixBox(random, 1, [8, 8])).toMatchObject({ height: 0, width: 0 });
    for (let i = 0; i < 20; i++) {
      const { height, width } = cutMixBox(random, 0, [8, 8]);
      expect(height >= 4 && width >= 4).toBe(true);
    }
  });
});

describe('randomMix', () => {
  const both = { mixup: mixup.parse({ use: 'mixup' }), cutMix: cutMix.parse({ use: 'cut-mix' }) };

  function drawn(mixed: Parameters<typeof randomMix>[1]): (Mix | undefined)[] {
    const random = new Random([9, 9]);
    return Array.from({ length: 4000 }, () => randomMix(random, mixed, 10, [32, 32]));
  }
  const isNear = (count: number, share: number) =>
    expect(Math.abs(count - 4000 * share)).toBeLessThanOrEqual(5 * Math.sqrt(4000 * share * (1 - share)));

  it.each<[string, Parameters<typeof randomMix>[1], number, number]>([
    ['one alone', { mixup: both.mixup }, 1, 0],
    ['the other alone', { cutMix: both.cutMix }, 0, 1],
    ['half and half', both, 0.5, 0.5],
    [
      'the rest plain',
      { mixup: { ...both.mixup, probability: 0.2 }, cutMix: { ...both.cutMix, probability: 0.3 } },
      0.2,
      0.3,
    ],
  ])('mixes the share that is asked for: %s', (_, mixed, ofMixup, ofCutMix) => {
    const mixes = drawn(mixed);
    isNear(mixes.filter((mix) => mix && !mix.box).length, ofMixup);
    isNear(mixes.filter((mix) => mix?.box).length, ofCutMix);
  });

  it('takes every sample for a partner equally often', () => {
    const counts = new Array<number>(10).fill(0);
    for (const mix of drawn(both)) counts[mix!.partner]++;
    for (const count of counts) isNear(count, 0.1);
  });

  it('gives shares that are float32, for boxes the exact area that stays', () => {
    for (const mix of drawn(both)) {
      expect(mix!.share).toBe(Math.fround(mix!.share));
      if (mix!.box) expect(mix!.share).toBe(1 - (mix!.box.height * mix!.box.width) / 1024);
    }
  });
});

describe('mixInto', () => {
  const image = () => Float32Array.from({ length: 27 }, (_, i) => i / 100);
  const other = Float32Array.from({ length: 27 }, (_, i) => 0.5 + i / 100);

  it('blends by share', () => {
    const mixed = image();
    mixInto(mixed, other, { partner: 0, share: 0.25, box: undefined }, 3);
    expect(mixed).toEqual(Float32Array.from(image(), (x, i) => 0.25 * x + 0.75 * other[i]));
    const white = new Float32Array(27).fill(1);
    mixInto(white, white.slice(), { partner: 0, share: Math.fround(0.1), box: undefined }, 3);
    expect(Math.max(...white)).toBeLessThanOrEqual(1);
  });

  it('puts the box in and leaves the rest', () => {
    const mixed = image();
    mixInto(mixed, other, { partner: 0, share: 7 / 9, box: { top: 1, left: 1, height: 1, width: 2 } }, 3);
    // Pixels 4 and 5 of nine.
    const from = (i: number) => i >= 12 && i < 18;
    expect(mixed).toEqual(Float32Array.from(image(), (x, i) => (from(i) ? other[i] : x)));
  });
});
