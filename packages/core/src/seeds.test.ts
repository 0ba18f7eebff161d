import { InputError } from './errors.js';
import { Random, Seeds } from './seeds.js';

const draws = (random: Random, count: number) => Array.from({ length: count }, () => random.bits());

describe('Random', () => {
  it.each([0, 1, 2, 3, 4, 5, 8, 11])('goes on bit for bit from any position: %d draws', (count) => {
    const random = new Random([1, 2]);
    draws(random, count);
    const saved = JSON.parse(JSON.stringify(random.save())) as number[];
    const restored = new Random([1, 2]);
    draws(restored, 3); // wherever it was
    restored.load(saved);
    expect(restored.save()).toEqual(saved);
    expect(draws(restored, 20)).toEqual(draws(random, 20));
  });

  it('goes on across the carry of its counter, in the middle of a block', () => {
    const random = new Random([1, 2]);
    random.load([0xffffffff, 7, 4]);
    draws(random, 2);
    const saved = random.save();
    expect(saved).toEqual([0, 8, 2]);
    const restored = new Random([1, 2]);
    restored.load(saved);
    expect(draws(restored, 9)).toEqual(draws(random, 9));
  });

  it('never repeats a block', () => {
    expect(new Set(draws(new Random([3, 4]), 4000)).size).toBeGreaterThan(3990);
  });

  it('is uniform in [0, 1)', () => {
    const random = new Seeds(1).stream('uniform');
    const values = Array.from({ length: 20_000 }, () => random.uniform());
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values)).toBeLessThan(1);
    const mean = values.reduce((a, b) => a + b) / values.length;
    expect(Math.abs(mean - 0.5)).toBeLessThan(4 * Math.sqrt(1 / 12 / values.length));
    const deciles = new Array<number>(10).fill(0);
    for (const value of values) deciles[Math.floor(value * 10)]++;
    const chiSquare = deciles.reduce((sum, n) => sum + (n - 2000) ** 2 / 2000, 0);
    expect(chiSquare).toBeLessThan(27.9); // 9 degrees of freedom, p = 0.001
  });

  it('fills float32 arrays below 1, even from all bits set', () => {
    const random = new Random([0, 0]);
    random.bits = () => 0xffffffff;
    expect(random.fill(new Float32Array(1), 'uniform')[0]).toBeLessThan(1);
  });

  it('is standard normal', () => {
    const values = new Seeds(1).stream('normal').fill(new Float32Array(20_000), 'normal');
    const moment = (power: number) => values.reduce((sum, x) => sum + x ** power, 0) / values.length;
    // Four standard errors of each moment: Var x = 1, Var x² = 2, Var x³ = 15, Var x⁴ = 96.
    const error = (variance: number) => 4 * Math.sqrt(variance / values.length);
    expect(Math.abs(moment(1))).toBeLessThan(error(1));
    expect(Math.abs(moment(2) - 1)).toBeLessThan(error(2));
    expect(Math.abs(moment(3))).toBeLessThan(error(15));
    expect(Math.abs(moment(4) - 3)).toBeLessThan(error(96));
  });

  it('draws integers evenly and rejects the biased rest', () => {
    const random = new Seeds(1).stream('integer');
    const counts = new Array<number>(7).fill(0);
    for (let i = 0; i < 14_000; i++) counts[random.integer(7)]++;
    const chiSquare = counts.reduce((sum, n) => sum + (n - 2000) ** 2 / 2000, 0);
    expect(chiSquare).toBeLessThan(22.5); // 6 degrees of freedom, p = 0.001
    // 3 · 2³⁰ divides 2³² with a rest of 2³⁰: bits from there on would favor small numbers.
    const bits = [3 * 2 ** 30, 2 ** 32 - 1, 5];
    random.bits = () => bits.shift()!;
    expect(random.integer(3 * 2 ** 30)).toBe(5);
    random.bits = () => 2 ** 32 - 1;
    expect(random.integer(2 ** 32)).toBe(2 ** 32 - 1);
  });

  it('shuffles: every permutation equally often', () => {
    const random = new Seeds(1).stream('shuffle');
    const counts = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const order = random.shuffle([0, 1, 2]).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    const chiSquare = [...counts.values()].reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0);
    expect(chiSquare).toBeLessThan(20.5); // 5 degrees of freedom, p = 0.001
  });
});

describe('Seeds', () => {
  it('gives the same stream for a name and others for other names, roots and places', () => {
    const first = draws(new Seeds(1).stream('init'), 4);
    expect(draws(new Seeds(1).stream('init'), 4)).toEqual(first);
    expect(draws(new Seeds(2).stream('init'), 4)).not.toEqual(first);
    expect(draws(new Seeds(1).stream('order'), 4)).not.toEqual(first);
    expect(draws(new Seeds(1).at('init', 0), 4)).not.toEqual(first);
  });

  it('addresses places without state', () => {
    const seeds = new Seeds(1);
    const here = draws(seeds.at('augment', 3, 14), 4);
    draws(seeds.at('augment', 3, 15), 9);
    expect(draws(seeds.at('augment', 3, 14), 4)).toEqual(here);
    expect(draws(seeds.at('augment', 14, 3), 4)).not.toEqual(here);
    expect(seeds.save()).toEqual({});
  });

  it('names streams by their prefix, saved with those of the root', () => {
    const seeds = new Seeds(1);
    const inner = seeds.within('losses/hint').within('r20');
    const drawn = draws(inner.stream('init'), 5);
    expect(draws(new Seeds(1).stream('losses/hint/r20/init'), 5)).toEqual(drawn);
    expect(draws(new Seeds(1).stream('init'), 5)).not.toEqual(drawn);
    expect(Object.keys(seeds.save())).toEqual(['losses/hint/r20/init']);
    expect(inner.stream('init')).toBe(seeds.stream('losses/hint/r20/init'));
  });

  it('goes on from what was saved, also with streams not asked for yet', () => {
    const seeds = new Seeds(1);
    draws(seeds.stream('order'), 6);
    draws(seeds.within('agent').stream('noise'), 3);
    const saved = seeds.save();
    const restored = new Seeds(1);
    restored.load(saved);
    expect(restored.save()).toEqual(saved);
    expect(draws(restored.stream('order'), 7)).toEqual(draws(seeds.stream('order'), 7));
    expect(draws(restored.within('agent').stream('noise'), 7)).toEqual(draws(seeds.stream('agent/noise'), 7));
  });

  it('takes streams back to their start when they had not been used', () => {
    const seeds = new Seeds(1);
    const expected = draws(new Seeds(1).stream('late'), 4);
    draws(seeds.stream('late'), 9);
    seeds.load({});
    expect(draws(seeds.stream('late'), 4)).toEqual(expected);
  });

  it.each([-1, 0.5, 2 ** 53, NaN])('refuses %d as a root', (root) => {
    expect(() => new Seeds(root)).toThrow(InputError);
  });
});
