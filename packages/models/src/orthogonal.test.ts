import { Random } from '@retort/core';
import { orthogonalValues } from './orthogonal.js';

describe('orthogonal values', () => {
  it.each([
    [64, 64],
    [150, 16],
    [3, 40],
    [64, 1],
  ])('of %i x %i have a shorter side that is orthogonal and of length gain', (rows, columns) => {
    const gain = Math.SQRT2;
    const values = orthogonalValues(new Random([1, 2]), rows, columns, gain);
    const at = (vector: number, i: number) =>
      rows >= columns ? values[i * columns + vector] : values[vector * columns + i];
    const [length, count] = [Math.max(rows, columns), Math.min(rows, columns)];
    for (let a = 0; a < count; a++) {
      for (let b = 0; b <= a; b++) {
        let dot = 0;
        for (let i = 0; i < length; i++) dot += at(a, i) * at(b, i);
        expect(dot).toBeCloseTo(a === b ? gain ** 2 : 0, 5);
      }
    }
  });

  it('favors no direction: entries have mean 0 and mean square 1 / length', () => {
    const random = new Random([3, 4]);
    const matrices = Array.from({ length: 400 }, () => orthogonalValues(random, 6, 6, 1));
    for (let i = 0; i < 36; i++) {
      const entries = matrices.map((matrix) => matrix[i]);
      const mean = (values: number[]) => values.reduce((a, b) => a + b) / values.length;
      // Five standard errors of 400 draws.
      expect(Math.abs(mean(entries))).toBeLessThan(5 * Math.sqrt(1 / 6 / 400));
      expect(Math.abs(mean(entries.map((x) => x * x)) - 1 / 6)).toBeLessThan((5 * Math.sqrt(2) * (1 / 6)) / 20);
    }
  });

  it('follow from the stream', () => {
    const draw = (key: number) => orthogonalValues(new Random([key, 0]), 5, 3, 1);
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });
});
