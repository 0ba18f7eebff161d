import { Seeds } from '@retort/core';
import { captionedSceneDifficulties } from './captioned-scenes.js';
import { boxOf, composeNamedScene, paintNamedScene, type NamedScene } from './named-scene.js';
import { maskOf } from './scene.js';

const seeds = new Seeds(3);
const plainPreset = { ...captionedSceneDifficulties.medium, noise: 0, clutter: 0 };

function sceneAt(index: number, { size = 32, difficulty = captionedSceneDifficulties.medium } = {}): NamedScene {
  return composeNamedScene(seeds.at('scene', index), index % 12, size, [1, 3], difficulty);
}

const numbers = Array.from({ length: 400 }, (_, i) => i);

describe('a named scene', () => {
  it('has one to three objects, as often each, the large one first and of its class', () => {
    const counts = [0, 0, 0];
    for (const index of numbers) {
      const { objects } = sceneAt(index);
      counts[objects.length - 1] += 1;
      expect(objects.map(({ isLarge }) => isLarge)).toEqual(objects.map((_, i) => i === 0));
      expect(['disc', 'triangle', 'cross', 'square'].indexOf(objects[0].shape)).toBe(Math.floor((index % 12) / 3));
      expect(['plain', 'striped', 'dotted'].indexOf(objects[0].texture)).toBe(index % 3);
      for (const { texture } of objects.slice(1)) expect(texture).toBe('plain');
    }
    for (const count of counts) expect(Math.abs(count - 400 / 3)).toBeLessThan(4 * Math.sqrt((400 * 2) / 9));
  });

  it('keeps objects apart, inside, and different in color or shape', () => {
    for (const index of numbers) {
      const { objects } = sceneAt(index);
      expect(new Set(objects.map(({ colorName, shape }) => `${colorName} ${shape}`)).size).toBe(objects.length);
      for (const [i, { x, y, radius }] of objects.entries()) {
        expect(Math.min(x, y, 32 - x, 32 - y)).toBeGreaterThanOrEqual(radius);
        for (const other of objects.slice(0, i)) {
          expect(Math.hypot(x - other.x, y - other.y)).toBeGreaterThanOrEqual(radius + other.radius);
        }
      }
    }
  });

  it('has small objects like the large one as often as asked', () => {
    const shares = [0, 1].map((lookalikes) => {
      const small = numbers.flatMap((index) => {
        const [first, ...others] = sceneAt(index, {
          difficulty: { ...captionedSceneDifficulties.easy, lookalikes },
        }).objects;
        return others.map(({ colorName, shape }) => colorName === first.colorName || shape === first.shape);
      });
      return small.filter(Boolean).length / small.length;
    });
    // By chance: 1/8 + 1/4 − 2/32 of those that are not like it in both.
    expect(Math.abs(shares[0] - 10 / 31)).toBeLessThan(0.1);
    expect(shares[1]).toBe(1);
  });

  it('has masks of just the pixels that its objects cover by half or more', () => {
    for (const index of numbers.filter((number) => number % 8 === 0)) {
      const scene = sceneAt(index, { difficulty: plainPreset });
      const size = 32;
      const bare = paintNamedScene({ ...scene, objects: [] }, size, seeds.at('noise', 0));
      for (const object of scene.objects) {
        const mask = maskOf(object, size);
        const image = paintNamedScene(
          { ...scene, objects: [{ ...object, texture: 'plain' }] },
          size,
          seeds.at('noise', 0),
        );
        let wrong = 0;
        for (let i = 0; i < mask.length; i++) {
          // The channel in which object and background differ most tells how much of a pixel is covered.
          const gaps = object.color.map((c, k) => c * 255 - bare[3 * i + k]);
          const widest = gaps.reduce((best, gap, k) => (Math.abs(gap) > Math.abs(gaps[best]) ? k : best), 0);
          const covered = (image[3 * i + widest] - bare[3 * i + widest]) / gaps[widest];
          wrong += Number(Math.abs(covered - 0.5) > 0.02 && mask[i] !== Number(covered > 0.5));
        }
        expect(wrong).toBe(0);
      }
    }
  });

  it.each([24, 32, 64])('has boxes that hold their masks tightly at %i pixels', (size) => {
    for (const index of numbers.slice(0, 24)) {
      for (const object of sceneAt(index, { size }).objects) {
        const mask = maskOf(object, size);
        const [left, top, right, bottom] = boxOf(mask, size);
        const at = (x: number, y: number) => mask[y * size + x];
        const inside = (from: number, to: number, test: (i: number) => number) =>
          Array.from({ length: to - from }, (_, i) => test(from + i)).some((value) => value === 1);
        expect([...mask].filter((value, i) => value && (i % size < left || i % size >= right))).toEqual([]);
        expect([...mask].filter((value, i) => value && (i < top * size || i >= bottom * size))).toEqual([]);
        expect(inside(top, bottom, (y) => at(left, y))).toBe(true);
        expect(inside(top, bottom, (y) => at(right - 1, y))).toBe(true);
        expect(inside(left, right, (x) => at(x, top))).toBe(true);
        expect(inside(left, right, (x) => at(x, bottom - 1))).toBe(true);
      }
    }
  });
});
