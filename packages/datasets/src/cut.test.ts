import { Random } from '@retort/core';
import { keepInside, randomCut, writeCut, type Cut } from './cut.js';

/** [2, 3, 3] bytes: pixel p is (p, 50 + p, 100 + p). */
const pixels = Uint8Array.from({ length: 18 }, (_, i) => Math.floor(i / 3) + 50 * (i % 3));
const plain: Cut = { down: 0, right: 0, flip: false };

/** The red channel of a cut, row after row. */
function redOf(cut: Cut): number[] {
  const out = new Uint8ClampedArray(18).fill(99);
  writeCut(pixels, [2, 3], cut, out);
  return [...out.filter((_, i) => i % 3 === 0)];
}

describe('writeCut', () => {
  it('copies the whole image where nothing is shifted', () => {
    const out = new Uint8ClampedArray(18);
    writeCut(pixels, [2, 3], plain, out);
    expect([...out]).toEqual([...pixels]);
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

describe('keepInside', () => {
  /** An image of 8 rows and 10 columns with a box from 2.5, 1 to 9, 7.5. */
  const kept = (down: number, right: number) => {
    const cut = keepInside({ down, right, flip: false }, [2.5, 1, 9, 7.5], [8, 10]);
    return [cut.down, cut.right];
  };

  it('leaves cuts that hold the box as they are', () => {
    for (const down of [0, 1]) for (const right of [-1, 0, 1, 2]) expect(kept(down, right)).toEqual([down, right]);
  });

  it('takes the nearest that holds it', () => {
    expect(kept(4, 4)).toEqual([1, 2]);
    expect(kept(-4, -4)).toEqual([0, -1]);
  });
});

describe('randomCut', () => {
  it('draws all shifts up to the padding equally often, and mirrors half', () => {
    const random = new Random([1, 2]);
    const shifts = new Map<string, number>();
    let flips = 0;
    const draws = 9000;
    for (let i = 0; i < draws; i++) {
      const { down, right, flip } = randomCut(random, { crop: true, flip: true }, 1);
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
      expect(randomCut(random, { crop: false, flip: false }, 4)).toEqual(plain);
      expect(randomCut(random, { crop: true, flip: false }, 4).flip).toBe(false);
      expect(randomCut(random, { crop: false, flip: true }, 4)).toMatchObject({ down: 0, right: 0 });
    }
  });
});
