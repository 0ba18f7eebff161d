import { resizeGrid } from './resize-grid.js';

describe('resizeGrid', () => {
  it('leaves a grid of the same size alone', () => {
    const values = Float32Array.from({ length: 24 }, (_, i) => Math.sin(i));
    expect(resizeGrid(values, [3, 4], [3, 4])).toEqual(values);
  });

  it('keeps a constant, whatever the sizes', () => {
    for (const value of resizeGrid(new Float32Array(18).fill(0.25), [3, 3], [7, 2])) expect(value).toBeCloseTo(0.25, 6);
  });

  // By hand, for a = −0.75: the new centers lie at t = 0.75 and 0.25 between the old ones.
  it('weighs four cells by the cubic of Keys, the outermost repeated at the edges', () => {
    const near = (t: number) => 1.25 * t ** 3 - 2.25 * t ** 2 + 1;
    const far = (t: number) => -0.75 * t ** 3 + 3.75 * t ** 2 - 6 * t + 3;
    const values = [1, 5, -2, 4];
    const at = (cell: number) => values[Math.min(Math.max(cell, 0), 3)];
    const expected = Array.from({ length: 8 }, (_, i) => {
      const first = Math.floor((i - 1) / 2);
      const t = i % 2 === 0 ? 0.75 : 0.25;
      return (
        far(1 + t) * at(first - 1) + near(t) * at(first) + near(1 - t) * at(first + 1) + far(2 - t) * at(first + 2)
      );
    });
    const wide = resizeGrid(Float32Array.from(values), [1, 4], [1, 8]);
    const tall = resizeGrid(Float32Array.from(values), [4, 1], [8, 1]);
    for (const [i, value] of expected.entries()) {
      expect(wide[i]).toBeCloseTo(value, 5);
      expect(tall[i]).toBeCloseTo(value, 5);
    }
  });

  it('resizes every channel by itself', () => {
    const [a, b] = [Float32Array.of(1, 2, 3, 4), Float32Array.of(-1, 0, 5, 2)];
    const both = resizeGrid(
      Float32Array.from({ length: 8 }, (_, i) => (i % 2 === 0 ? a : b)[i >> 1]),
      [2, 2],
      [3, 5],
    );
    expect(both.filter((_, i) => i % 2 === 0)).toEqual(resizeGrid(a, [2, 2], [3, 5]));
    expect(both.filter((_, i) => i % 2 === 1)).toEqual(resizeGrid(b, [2, 2], [3, 5]));
  });
});
