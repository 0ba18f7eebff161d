import { InputError, type PartKinds, Random, resolvePart, Seeds, type Teacher } from '@retort/core';
import { describeEachBackend, expectClose, held } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import type { EnvironmentTransition } from './environment-reward.js';
import { drndBonus } from './reward-drnd.js';
import { squaredDistance } from './reward-rnd.js';
import { shapingReward } from './reward-shaping.js';
import { createSeenObservations } from './seen-observations.js';
import { counting, registry } from './test-support/parts.js';

type Part = PartKinds['environment-reward']['instance'];

const sum = (values: ArrayLike<number>) => Array.from(values).reduce((total, value) => total + value, 0);

/** A reward as a run gets it, for copies of an environment that shows two numbers. */
async function rewardOf(
  use: unknown,
  { teachers = [] as Teacher[], count = 4, seeds = new Seeds(3) } = {},
): Promise<Part> {
  const scope = registry.createScope();
  return scope.create(resolvePart(registry, 'environment-reward', use, 'trainer.rewards[0]'), {
    spaces: {
      ...counting({ count }),
      observationSpace: { shape: [2], low: new Float32Array(2), high: new Float32Array(2) },
    },
    ...{ count, discount: 0.9, teachers, scope, seeds: seeds.within('reward'), path: 'trainer.rewards[0]' },
  });
}

function transition(nextObservations: Float32Array, ends: Partial<EnvironmentTransition> = {}): EnvironmentTransition {
  const count = nextObservations.length / 2;
  return {
    observations: new Float32Array(2 * count),
    nextObservations,
    following: nextObservations,
    rewards: new Float32Array(count),
    terminated: new Uint8Array(count),
    truncated: new Uint8Array(count),
    ...ends,
  };
}

/** A teacher that says of every observation its sum, as `value`, or another output. */
function sumTeacher(id = 'sums', output = 'value', width = 1): Teacher {
  return {
    id,
    describe: () => ({ provides: { [output]: [width] }, fingerprint: '', summary: '' }),
    infer: async ({ inputs, size }) => {
      const { data } = inputs.state!;
      const columns = Array.from({ length: size }, (_, row) =>
        Array.from({ length: width }, (_, i) => data[2 * row] + data[2 * row + 1] - i),
      );
      return { [output]: tf.tensor2d(columns) };
    },
    dispose() {},
  };
}

describeEachBackend('random network distillation', () => {
  it('earns the squared distance, Σ (f_S − f_T)²', async () => {
    const [a, b] = [
      tf.tensor2d([
        [1, 2, -3],
        [0.5, 0, 4],
      ]),
      tf.tensor2d([
        [0, 2.5, 1],
        [0.5, 0, 4],
      ]),
    ];
    const distance = squaredDistance(a, b);
    await expectClose(distance, [1 + 0.25 + 16, 0]);
    tf.dispose([a, b, distance]);
  });

  it('earns α ‖f − μ‖² + (1 − α) Σ √((f² − μ²) / (B2 − μ²)) with several targets', async () => {
    const random = new Random([5, 5]);
    const [rows, members, width] = [3, 4, 5];
    const f = Array.from({ length: rows }, () => Array.from({ length: width }, () => random.normal()));
    const c = f.map((row) => Array.from({ length: members }, () => row.map((x) => x * 0.3 + random.normal())));
    const expected = f.map((row, b) => {
      let [distance, visits] = [0, 0];
      row.forEach((x, i) => {
        const said = c[b].map((member) => member[i]);
        const mean = sum(said) / members;
        const square = sum(said.map((y) => y * y)) / members;
        distance += (x - mean) ** 2;
        visits += Math.sqrt(Math.min(1, Math.max(1e-6, Math.abs(x * x - mean * mean) / (square - mean * mean))));
      });
      return 0.7 * distance + 0.3 * visits;
    });
    const [predicted, targets] = [tf.tensor2d(f), tf.tensor3d(c)];
    const bonus = drndBonus(predicted, targets, 0.7);
    await expectClose(bonus, expected);
    tf.dispose([predicted, targets, bonus]);
  });

  it.each(['rnd', { use: 'drnd', targets: 3 }, { use: 'rnd', target: 'teacher' }])(
    '%j: what was often seen earns less than what was not; saved and loaded, it goes on bit for bit',
    async (use) => {
      const before = held();
      const teachers = [sumTeacher('large', 'logits', 3)];
      const [seeds, otherSeeds] = [new Seeds(3), new Seeds(3)];
      const reward = await rewardOf(use, { teachers, seeds });
      const other = await rewardOf(use, { teachers, seeds: otherSeeds });
      const random = new Random([1, 1]);
      const often = () => Float32Array.from({ length: 8 }, () => 1 + 0.1 * random.normal());
      for (let i = 0; i < 60; i++) {
        await reward.reward(transition(often()));
        tf.dispose(reward.update!());
      }
      // Two copies where one always is, two where one never was.
      const mixed = Float32Array.of(1, 1, 1.05, 0.95, 1.3, 0.6, 0.7, 1.4);
      await reward.reward(transition(often()));
      other.load(await reward.save());
      otherSeeds.load(seeds.save());
      const [known, alsoKnown, novel, alsoNovel] = Array.from(await reward.reward(transition(mixed)));
      expect(Math.min(novel, alsoNovel)).toBeGreaterThan(1.5 * Math.max(known, alsoKnown));
      expect(Array.from(await other.reward(transition(mixed)))).toEqual([known, alsoKnown, novel, alsoNovel]);
      const [error, again] = [reward.update!().error, other.update!().error];
      expect((await error.data())[0]).toBe((await again.data())[0]);
      tf.dispose([error, again]);
      reward.dispose!();
      other.dispose!();
      expect(held()).toEqual(before);
    },
  );
});

it('sees observations by their running moments, cut off at five deviations, and hands them out once', () => {
  const seen = createSeenObservations(1, { input: 1 });
  const first = seen.see(Float32Array.of(1, 3));
  expect(Array.from(first)).toEqual([-1, 1].map((x) => expect.closeTo(x, 6) as number));
  const shown = Float32Array.from({ length: 98 }, (_, i) => (i % 2 ? 3 : 1));
  seen.see(shown);
  // Mean 2, deviation 1 but for the one that is far off.
  expect(seen.see(Float32Array.of(1000))[0]).toBe(5);
  seen.keep({ input: Float32Array.of(1, 2, 3) }, Uint8Array.of(1, 0, 1));
  expect(seen.take(1).map(({ input }) => Array.from(input.data))).toEqual([[1], [3]]);
  expect(seen.take(1)).toEqual([]);
});

describe('shaping', () => {
  it("adds γ Φ(s') − Φ(s), Φ of a terminal state being zero, of a cut off one that of where it led", async () => {
    const reward = await rewardOf('shaping', { teachers: [sumTeacher()], count: 3 });
    const begun = Float32Array.of(1, 0, 2, 0, 3, 0);
    await reward.begin!(begun);
    const nextObservations = Float32Array.of(4, 0, 5, 0, 6, 0);
    const following = Float32Array.of(4, 0, 0.5, 0, 0.25, 0);
    const ends = { terminated: Uint8Array.of(0, 1, 0), truncated: Uint8Array.of(0, 0, 1), following };
    await expectClose(await reward.reward(transition(nextObservations, ends)), [0.9 * 4 - 1, -2, 0.9 * 6 - 3]);
    // New episodes start from their own first states, also after a checkpoint.
    const other = await rewardOf('shaping', { teachers: [sumTeacher()], count: 3 });
    other.load(await reward.save());
    const next = Float32Array.of(1, 0, 1, 0, 1, 0);
    const expected = [0.9 - 4, 0.9 - 0.5, 0.9 - 0.25];
    await expectClose(await reward.reward(transition(next)), expected);
    await expectClose(await other.reward(transition(next)), expected);
  });

  it('takes the greatest of action values where there is no value, and says so where there is neither', async () => {
    const reward = await rewardOf('shaping', { teachers: [sumTeacher('q', 'logits', 3)], count: 1 });
    await reward.begin!(Float32Array.of(1, 1));
    await expectClose(await reward.reward(transition(Float32Array.of(2, 3))), [0.9 * 5 - 2]);
    await expect(rewardOf('shaping', { teachers: [sumTeacher('m', 'mean')] })).rejects.toThrow(
      'trainer.rewards[0]: teacher m gives no value or logits',
    );
    await expect(rewardOf('shaping', { teachers: [sumTeacher('a'), sumTeacher('b')] })).rejects.toThrow(InputError);
    await expect(rewardOf({ use: 'shaping', teacher: 'c' }, { teachers: [sumTeacher('a')] })).rejects.toThrow(
      'no teacher is called "c"',
    );
  });

  it('telescopes: over an episode that terminates its discounted sum is −Φ(s_0), cut off γⁿ Φ(s_n) more', () => {
    const potentials = [0.3, -2, 5, 1.5, 0.25];
    const discount = 0.8;
    const over = (terminates: boolean) =>
      sum(
        potentials.slice(1).map((next, t) => {
          const isLast = t === potentials.length - 2;
          return discount ** t * shapingReward(potentials[t], next, terminates && isLast, discount);
        }),
      );
    expect(over(true)).toBeCloseTo(-0.3, 12);
    expect(over(false)).toBeCloseTo(discount ** 4 * 0.25 - 0.3, 12);
  });

  it('leaves optimal policies what they were, and values lower by the potential', () => {
    const plain = solve((_, __, reward) => reward);
    // Potentials that pull the wrong way, the terminal state's included.
    const potentials = [5, -4, 2, 9, 7];
    const shaped = solve(
      (s, next, reward) => reward + shapingReward(potentials[s], potentials[next], next === goal, gamma),
    );
    expect(shaped.policy).toEqual(plain.policy);
    shaped.values.forEach((value, s) => expect(value).toBeCloseTo(plain.values[s] - potentials[s], 9));
    // Without Φ(terminal) = 0 it would not be so.
    const wrong = solve((s, next, reward) => reward + shapingReward(potentials[s], potentials[next], false, gamma));
    expect(wrong.policy).not.toEqual(plain.policy);
  });
});

const gamma = 0.9;
/** State 4 ends the episode. */
const goal = 4;
/** [next state, probability, reward] of action a in state s: a short way that may slip back, a long one that does not. */
const outcomes: [number, number, number][][][] = [
  [
    [
      [1, 0.8, 0],
      [0, 0.2, -0.1],
    ],
    [[2, 1, 0]],
  ],
  [
    [
      [goal, 0.5, 1],
      [0, 0.5, 0],
    ],
    [[0, 1, 0.2]],
  ],
  [[[3, 1, -0.05]], [[0, 1, 0]]],
  [[[goal, 1, 1]], [[2, 1, 0.3]]],
];

/** Values and best actions by value iteration to rounding. */
function solve(reward: (s: number, next: number, reward: number) => number) {
  const value = (values: number[], s: number, a: number) =>
    sum(outcomes[s][a].map(([next, p, r]) => p * (reward(s, next, r) + (next === goal ? 0 : gamma * values[next]))));
  let values = outcomes.map(() => 0);
  for (let i = 0; i < 600; i++) values = outcomes.map((_, s) => Math.max(value(values, s, 0), value(values, s, 1)));
  return { values, policy: outcomes.map((_, s) => (value(values, s, 0) >= value(values, s, 1) ? 0 : 1)) };
}
