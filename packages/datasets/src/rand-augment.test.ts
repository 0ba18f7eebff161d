import { Random } from '@retort/core';
import type { Canvas } from './image-operations.js';
import { augmentRandomly, operations, randAugment } from './rand-augment.js';

const SIZE = 16;

/** Noise from black to white: auto-contrast leaves it as it is. */
function randomCanvas(): Canvas {
  const random = new Random([3, 4]);
  const pixels = Uint8ClampedArray.from({ length: SIZE * SIZE * 3 }, () => random.integer(256));
  pixels.fill(0, 0, 3).fill(255, 3, 6);
  return { pixels, scratch: new Uint8ClampedArray(pixels.length), height: SIZE, width: SIZE, fill: [110, 120, 130] };
}

/** All values the same. */
function flatCanvas(value: number): Canvas {
  const pixels = new Uint8ClampedArray(SIZE * SIZE * 3).fill(value);
  return { pixels, scratch: new Uint8ClampedArray(pixels.length), height: SIZE, width: SIZE, fill: [0, 0, 0] };
}

/** A slope with some noise on it: what moves further ends in another gray. */
function slopingCanvas(): Canvas {
  const [canvas, random] = [flatCanvas(0), new Random([3, 4])];
  for (let i = 0; i < canvas.pixels.length; i++) {
    const [y, x] = [Math.floor(i / 3 / SIZE), Math.floor(i / 3) % SIZE];
    canvas.pixels[i] = 7 * (x + y) + random.integer(40);
  }
  return canvas;
}

/** How far an operation moves values, on average. */
function distance(name: string, strength: number, sign: number): number {
  const [canvas, before] = [slopingCanvas(), slopingCanvas()];
  operations[name](canvas, strength, sign);
  return canvas.pixels.reduce((sum, value, i) => sum + Math.abs(value - before.pixels[i]), 0) / canvas.pixels.length;
}

/** Those that have no strength. */
const fixed = ['identity', 'auto-contrast', 'equalize'];
const graded = Object.keys(operations).filter((name) => !fixed.includes(name));

describe('operations', () => {
  it("are the paper's fourteen", () => {
    expect(Object.keys(operations)).toHaveLength(14);
    expect(graded).toHaveLength(11);
  });

  it.each(graded)('%s does nothing at strength 0', (name) => {
    expect(distance(name, 0, 1)).toBe(0);
    expect(distance(name, 0, -1)).toBe(0);
  });

  it.each(graded)('%s does more the stronger it is', (name) => {
    for (const sign of [1, -1]) {
      const [weak, strong] = [distance(name, 0.3, sign), distance(name, 1, sign)];
      expect(weak).toBeGreaterThan(0);
      expect(strong).toBeGreaterThan(weak);
    }
  });

  /** A bright column or row: where it goes tells the strength that an operation was given. */
  function movedSpot(name: string, strength: number, sign: number, [y, x]: [number, number]): [number, number] {
    const canvas = flatCanvas(0);
    canvas.pixels.fill(255, (y * SIZE + x) * 3, (y * SIZE + x) * 3 + 3);
    operations[name](canvas, strength, sign);
    let [sum, atY, atX] = [0, 0, 0];
    for (let i = 0; i < SIZE * SIZE; i++) {
      sum += canvas.pixels[3 * i];
      atY += canvas.pixels[3 * i] * (Math.floor(i / SIZE) + 0.5);
      atX += canvas.pixels[3 * i] * ((i % SIZE) + 0.5);
    }
    return [atY / sum, atX / sum];
  }

  it('move by the ranges of AutoAugment', () => {
    // 0.45 of 16 is 7.2 pixels, at 0.5 3.6.
    expect(movedSpot('translate-x', 1, 1, [8, 8])).toEqual([8.5, 1.5]);
    expect(movedSpot('translate-x', 0.5, -1, [8, 8])).toEqual([8.5, 12.5]);
    expect(movedSpot('translate-y', 1, -1, [8, 8])).toEqual([15.5, 8.5]);
    // A slope of 0.3 at 8.5 from the edge: 2.55 pixels.
    expect(movedSpot('shear-x', 1, 1, [8, 8])[1]).toBeCloseTo(8.5 - 2.55, 1);
    expect(movedSpot('shear-y', 1, -1, [8, 8])[0]).toBeCloseTo(8.5 + 2.55, 1);
    // 30 degrees counterclockwise: a spot 4.5 to the right of the center and half a pixel below it.
    const [y, x] = movedSpot('rotate', 1, 1, [8, 12]);
    const [cos, sin] = [Math.cos(Math.PI / 6), Math.sin(Math.PI / 6)];
    expect(x).toBeCloseTo(8 + 4.5 * cos + 0.5 * sin, 0);
    expect(y).toBeCloseTo(8 - 4.5 * sin + 0.5 * cos, 0);
  });

  it('color by the ranges of AutoAugment', () => {
    const one = (name: string, strength: number, sign: number, value: number) => {
      const canvas = flatCanvas(value);
      operations[name](canvas, strength, sign);
      return canvas.pixels[0];
    };
    // Factors 0.1 and 1.9 at the strongest, 1.45 half way.
    expect(one('brightness', 1, -1, 100)).toBe(10);
    expect(one('brightness', 1, 1, 100)).toBe(190);
    expect(one('brightness', 0.5, 1, 100)).toBe(145);
    // Threshold 0 at the strongest, 128 half way.
    expect(one('solarize', 1, 1, 3)).toBe(252);
    expect([one('solarize', 0.5, 1, 127), one('solarize', 0.5, 1, 128)]).toEqual([127, 127]);
    // 4 bits at the strongest, 6 half way.
    expect(one('posterize', 1, 1, 255)).toBe(240);
    expect(one('posterize', 0.5, 1, 255)).toBe(252);
    // Constant images have no contrast, color or edges to change.
    for (const name of ['contrast', 'color', 'sharpness', 'auto-contrast', 'equalize']) {
      expect(one(name, 1, 1, 77)).toBe(77);
    }
  });
});

describe('augmentRandomly', () => {
  const options = randAugment.parse({ use: 'rand-augment' });

  it("has the paper's N and M", () => {
    expect(options).toEqual({ use: 'rand-augment', operations: 2, magnitude: 9, deviation: 0, probability: 1 });
  });

  /** What single draws do, told by the whole image. */
  function outcomes(given: Partial<typeof options>, draws: number): Map<string, number> {
    const counts = new Map<string, number>();
    const random = new Random([5, 6]);
    for (let i = 0; i < draws; i++) {
      const canvas = randomCanvas();
      augmentRandomly(canvas, { ...options, operations: 1, ...given }, random);
      const key = canvas.pixels.join();
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    return counts;
  }

  it('draws each operation and sign equally often', () => {
    // Where two operations come to the same, their shares add up.
    const draws = 4200;
    const counts = outcomes({}, draws);
    const expected = new Map<string, number>();
    for (const operation of Object.values(operations)) {
      for (const sign of [1, -1]) {
        const canvas = randomCanvas();
        operation(canvas, 0.9, sign);
        const key = canvas.pixels.join();
        expected.set(key, (expected.get(key) ?? 0) + 1 / 28);
      }
    }
    expect([...counts.keys()].sort()).toEqual([...expected.keys()].sort());
    for (const [key, share] of expected) {
      expect(Math.abs(counts.get(key)! - draws * share)).toBeLessThan(5 * Math.sqrt(draws * share * (1 - share)));
    }
  });

  it('carries out the share that is asked for', () => {
    const [draws, probability] = [2000, 0.5];
    const unchanged = outcomes({ probability }, draws).get(randomCanvas().pixels.join())!;
    // Identity and, on this image, auto-contrast leave it as it is.
    const share = 1 - probability * (12 / 14);
    expect(Math.abs(unchanged - draws * share)).toBeLessThan(5 * Math.sqrt(draws * share * (1 - share)));
    expect(outcomes({ probability: 0 }, 20).size).toBe(1);
  });

  it('draws the magnitude anew where it has a deviation, and keeps it within 0 to 10', () => {
    // Of a flat gray only brightness makes values above 160.
    const values = new Set<number>();
    const random = new Random([7, 8]);
    for (let i = 0; i < 10_000; i++) {
      const canvas = flatCanvas(100);
      augmentRandomly(canvas, { ...options, operations: 1, deviation: 0.5 }, random);
      values.add(canvas.pixels[(8 * SIZE + 8) * 3]);
    }
    const brighter = [...values].filter((value) => value > 160);
    expect(brighter.length).toBeGreaterThan(10);
    // 100 · 1.9 at magnitude 10; 100 · (1 + 0.9 · 0.7) = 163 four deviations below 9.
    expect(Math.max(...brighter)).toBe(190);
    expect(Math.min(...brighter)).toBeGreaterThan(160);
  });

  it('is a function of its random numbers', () => {
    const [a, b, c] = [randomCanvas(), randomCanvas(), randomCanvas()];
    augmentRandomly(a, { ...options, operations: 4 }, new Random([1, 1]));
    augmentRandomly(b, { ...options, operations: 4 }, new Random([1, 1]));
    augmentRandomly(c, { ...options, operations: 4 }, new Random([1, 2]));
    expect(b.pixels).toEqual(a.pixels);
    expect(c.pixels).not.toEqual(a.pixels);
  });
});
