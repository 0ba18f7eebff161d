import { Random } from '@retort/core';
import { plainView, randomView, writeView } from './augment.js';

/** [2, 3, 3] bytes: pixel p is (p, 50 + p, 100 + p). */
const pixels = Uint8Array.from({ length: 18 }, (_, i) => Math.floor(i / 3) + 50 * (i % 3));

/** The red channel of a view as bytes, row after row. */
function redOf(view: { down: number; right: number; flip: boolean }): number[] {
  const out = new Float32Array(20);
  writeView(pixels, [2, 3], view, out, 1);
  expect([out[0], out[19]]).toEqual([0, 0]);
  return Array.from(
    out.subarray(1, 19).filter((_, i) => i % 3 === 0),
    (value) => Math.round(value * 255) || 0,
  );
}

describe('writeView', () => {
  it('divides bytes by 255', () => {
    const out = new Float32Array(18);
    writeView(pixels, [2, 3], plainView, out, 0);
    expect(out).toEqual(Float32Array.from(pixels, (byte) => byte / 255));
  });

  it('mirrors', () => {
    expect(redOf({ down: 0, right: 0, flip: true })).toEqual([2, 1, 0, 5, 4, 3]);
  });

  it('cuts a shifted window out of a black border', () => {
    expect(redOf({ down: 1, right: 0, flip: false })).toEqual([3, 4, 5, 0, 0, 0]);
    expect(redOf({ down: 0, right: 1, flip: false })).toEqual([1, 2, 0, 4, 5, 0]);
    expect(redOf({ down: -1, right: -1, flip: false })).toEqual([0, 0, 0, 0, 0, 1]);
    expect(redOf({ down: 2, right: 0, flip: false })).toEqual([0, 0, 0, 0, 0, 0]);
    expect(redOf({ down: 0, right: -4, flip: false })).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it('mirrors after cutting', () => {
    expect(redOf({ down: 0, right: 1, flip: true })).toEqual([0, 2, 1, 0, 5, 4]);
  });
});

describe('randomView', () => {
  it('draws all shifts up to the padding equally often, and mirrors half', () => {
    const random = new Random([1, 2]);
    const shifts = new Map<string, number>();
    let flips = 0;
    const draws = 9000;
    for (let i = 0; i < draws; i++) {
      const { down, right, flip } = randomView(random, ['crop', 'flip'], 1);
      shifts.set(`${down},${right}`, (shifts.get(`${down},${right}`) ?? 0) + 1);
      flips += Number(flip);
    }
    const expected = [-1, 0, 1].flatMap((down) => [-1, 0, 1].map((right) => `${down},${right}`));
    expect([...shifts.keys()].sort()).toEqual(expected.sort());
    // Five standard deviations of a binomial count.
    for (const count of shifts.values())
      expect(Math.abs(count - draws / 9)).toBeLessThan(5 * Math.sqrt((draws * 8) / 81));
    expect(Math.abs(flips - draws / 2)).toBeLessThan(5 * Math.sqrt(draws / 4));
  });

  it('does only what is asked for', () => {
    const random = new Random([1, 2]);
    for (let i = 0; i < 50; i++) {
      expect(randomView(random, [], 4)).toEqual(plainView);
      expect(randomView(random, ['crop'], 4).flip).toBe(false);
      expect(randomView(random, ['flip'], 4)).toMatchObject({ down: 0, right: 0 });
    }
  });
});
