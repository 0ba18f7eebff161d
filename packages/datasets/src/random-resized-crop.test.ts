import { Random } from '@retort/core';
import { randomPart, randomResizedCrop, writePart } from './random-resized-crop.js';

/** [2, 4, 3]: red is ten times the column, plus 100 in the lower row; green is constant. */
const pixels = Uint8Array.from({ length: 24 }, (_, i) =>
  i % 3 === 0 ? 10 * (Math.floor(i / 3) % 4) + 100 * Math.floor(i / 12) : 7,
);

function redOf(part: { top: number; left: number; height: number; width: number }): number[] {
  const out = new Uint8ClampedArray(24);
  writePart(pixels, [2, 4], part, out);
  expect(out.filter((_, i) => i % 3 > 0).every((value) => value === 7)).toBe(true);
  return [...out.filter((_, i) => i % 3 === 0)];
}

describe('writePart', () => {
  it('copies the whole', () => {
    expect(redOf({ top: 0, left: 0, height: 2, width: 4 })).toEqual([0, 10, 20, 30, 100, 110, 120, 130]);
  });

  it('scales a part up bilinearly and looks at nothing outside it', () => {
    // Columns 1 and 2 over four: places −0.25 (held at 0), 0.25, 0.75, 1.25 (held at 1); row 1 over two.
    const row = [110, 112.5, 117.5, 120].map((value) => new Uint8ClampedArray([value])[0]);
    expect(redOf({ top: 1, left: 1, height: 1, width: 2 })).toEqual([...row, ...row]);
    expect(redOf({ top: 0, left: 3, height: 1, width: 1 })).toEqual(Array(8).fill(30));
  });
});

describe('randomPart', () => {
  const options = randomResizedCrop.parse({ use: 'random-resized-crop' });

  it('keeps a share of the image within the range, anywhere in it', () => {
    const random = new Random([1, 2]);
    const parts = Array.from({ length: 3000 }, () => randomPart(random, [32, 32], options));
    for (const { top, left, height, width } of parts.slice(0, 300)) {
      expect(top >= 0 && left >= 0 && top + height <= 32 && left + width <= 32).toBe(true);
      expect((height + 0.5) * (width + 0.5)).toBeGreaterThanOrEqual(0.08 * 1024);
      expect((height + 0.5) / (width - 0.5)).toBeGreaterThanOrEqual(3 / 4);
      expect((height - 0.5) / (width + 0.5)).toBeLessThanOrEqual(4 / 3);
    }
    // Neither side is favored.
    const taller = parts.filter(({ height, width }) => height > width).length;
    const wider = parts.filter(({ height, width }) => height < width).length;
    expect(Math.abs(taller - wider)).toBeLessThan(5 * Math.sqrt(taller + wider));
    const small = Array.from({ length: 3000 }, () => randomPart(random, [32, 32], { ...options, area: [0.08, 0.08] }));
    expect(Math.min(...small.map(({ left }) => left))).toBe(0);
    expect(Math.max(...small.map(({ left, width }) => left + width))).toBe(32);
  });

  it('keeps the whole image where nothing fits', () => {
    const whole = { top: 0, left: 0, height: 4, width: 40 };
    expect(randomPart(new Random([1, 2]), [4, 40], { ...options, area: [0.9, 1] })).toEqual(whole);
  });
});
