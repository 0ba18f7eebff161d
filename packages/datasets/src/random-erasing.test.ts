import { Random } from '@retort/core';
import { erase, randomErasing } from './random-erasing.js';

const [HEIGHT, WIDTH] = [24, 32];
const statistics = { mean: [0.25, 0.5, 0.75], deviation: [0.125, 0.25, 0.5] };
/** No mean of the statistics, and kept by nothing that is drawn. */
const UNTOUCHED = Math.fround(0.123);

function erased(random: Random, options: object = {}): Float32Array {
  const image = new Float32Array(HEIGHT * WIDTH * 3).fill(UNTOUCHED);
  erase(image, [HEIGHT, WIDTH], randomErasing.parse({ use: 'random-erasing', ...options }), statistics, random);
  return image;
}

/** Pixels that were erased: their number and the sides of the box around them. */
function boxOf(image: Float32Array): { pixels: number; height: number; width: number } {
  const changed = Array.from({ length: HEIGHT * WIDTH }, (_, p) => p).filter((p) => image[3 * p] !== UNTOUCHED);
  const [ys, xs] = [changed.map((p) => Math.floor(p / WIDTH)), changed.map((p) => p % WIDTH)];
  return {
    pixels: changed.length,
    height: Math.max(...ys) - Math.min(...ys) + 1,
    width: Math.max(...xs) - Math.min(...xs) + 1,
  };
}

describe('random-erasing', () => {
  it("has the paper's ranges, and erases a quarter of the images", () => {
    expect(randomErasing.parse({ use: 'random-erasing' })).toEqual({
      use: 'random-erasing',
      probability: 0.25,
      area: [0.02, 1 / 3],
      aspect: [0.3, 1 / 0.3],
      fill: 'noise',
    });
    const random = new Random([1, 2]);
    const draws = 2000;
    const count = Array.from({ length: draws }, () => erased(random)).filter((image) =>
      image.some((value) => value !== UNTOUCHED),
    ).length;
    expect(Math.abs(count - draws / 4)).toBeLessThan(5 * Math.sqrt((draws * 3) / 16));
  });

  it('erases a box within the ranges of area and aspect', () => {
    const random = new Random([3, 4]);
    for (let i = 0; i < 300; i++) {
      const box = boxOf(erased(random, { probability: 1, area: [0.1, 0.2], aspect: [0.5, 2], fill: 'mean' }));
      expect(box.pixels).toBe(box.height * box.width);
      // Sides are whole: half a pixel each way.
      expect((box.height + 0.5) * (box.width + 0.5)).toBeGreaterThanOrEqual(0.1 * HEIGHT * WIDTH);
      expect((box.height - 0.5) * (box.width - 0.5)).toBeLessThanOrEqual(0.2 * HEIGHT * WIDTH);
      expect((box.height + 0.5) / (box.width - 0.5)).toBeGreaterThanOrEqual(0.5);
      expect((box.height - 0.5) / (box.width + 0.5)).toBeLessThanOrEqual(2);
    }
  });

  it('fills in the mean, or noise around it that stays in [0, 1]', () => {
    const random = new Random([5, 6]);
    const plain = erased(random, { probability: 1, fill: 'mean' });
    expect(plain.every((value, i) => value === UNTOUCHED || value === statistics.mean[i % 3])).toBe(true);
    expect(plain.some((value) => value !== UNTOUCHED)).toBe(true);
    const noise: number[][] = [[], [], []];
    for (let n = 0; n < 100; n++) {
      const image = erased(random, { probability: 1 });
      expect(image.every((value) => value >= 0 && value <= 1)).toBe(true);
      image.forEach((value, i) => value !== UNTOUCHED && noise[i % 3].push(value));
    }
    // Red lies two deviations above black, where little is cut off.
    const [red] = noise;
    const mean = red.reduce((sum, x) => sum + x, 0) / red.length;
    expect(mean).toBeCloseTo(0.25, 2);
    expect(Math.sqrt(red.reduce((sum, x) => sum + (x - mean) ** 2, 0) / red.length)).toBeCloseTo(0.122, 2);
  });

  it('leaves an image alone in which no box fits', () => {
    const image = erased(new Random([7, 8]), { probability: 1, area: [0.9, 1], aspect: [9, 10] });
    expect(image.every((value) => value === UNTOUCHED)).toBe(true);
  });

  it('refuses ranges that are none', () => {
    const of = (options: object) => randomErasing.safeParse({ use: 'random-erasing', ...options }).success;
    expect(of({ area: [0.3, 0.2] })).toBe(false);
    expect(of({ area: [0.3, 1.2] })).toBe(false);
    expect(of({ area: [0, 0.2] })).toBe(false);
    expect(of({ aspect: [2] })).toBe(false);
    expect(of({ probability: 1.5 })).toBe(false);
    expect(of({ fill: 'black' })).toBe(false);
  });
});
