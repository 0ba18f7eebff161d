import { createRegistry, sha256, type Environment } from '@retort/core';
import { plugin } from './index.js';
import { actionStreams, anyActions, create } from './test-support/create.js';

/** Every environment, some with rules that end episodes soon, and wrappers around some. */
const uses: Record<string, unknown> = {
  'cart-pole': 'cart-pole',
  acrobot: { use: 'acrobot', timeLimit: 30 },
  'mountain-car': 'mountain-car',
  'mountain-car-continuous': { use: 'mountain-car-continuous', timeLimit: 70 },
  pendulum: 'pendulum',
  'key-door': { use: 'key-door', size: 5 },
  'key-door, partial view': { use: 'key-door', size: 6, view: 3, layout: 'fixed' },
  't-maze': { use: 't-maze', corridor: 2 },
  breakout: 'breakout',
  freeway: { use: 'freeway', timeLimit: 150 },
  'space-invaders': 'space-invaders',
  'frame-stack of a game': { use: 'frame-stack', frames: 3, environment: { use: 'breakout', sticky: 0 } },
  'frame-stack of a partial observation': {
    use: 'frame-stack',
    environment: { use: 'partial-observation', environment: 'cart-pole' },
  },
  'time-limit': { use: 'time-limit', timeLimit: 13, environment: 'cart-pole' },
  'multi-task': { use: 'multi-task', environments: ['acrobot', 'cart-pole'] },
};

/** A digest of everything that so many steps say. */
function play(environment: Environment, streams: ReturnType<typeof actionStreams>, steps: number): string {
  let digest = '';
  for (let i = 0; i < steps; i++) {
    const result = environment.step(anyActions(environment, streams));
    const { observations, nextObservations, rewards, terminated, truncated } = result;
    digest = sha256(
      Buffer.concat([
        Buffer.from(digest),
        ...[observations, nextObservations, rewards, terminated, truncated].map((array) =>
          Buffer.from(array.slice().buffer),
        ),
      ]),
    );
  }
  return digest;
}

it('tests every registered environment', () => {
  const tested = JSON.stringify(uses);
  for (const { part } of createRegistry([plugin]).list('environment')) expect(tested).toContain(`"${part.name}"`);
});

describe.each(Object.keys(uses))('%s', (name) => {
  const use = uses[name];

  it('shows, earns and ends what it says', async () => {
    const environment = await create(use, { count: 5 });
    const { observationSpace: space, rewardRange, timeLimit } = environment;
    const size = space.shape.reduce((a, b) => a * b);
    expect(space.low).toHaveLength(size);
    const wrong: string[] = [];
    const check = (holds: boolean, what: string) => {
      if (!holds) wrong.push(what);
    };
    const checkBounds = (observations: Float32Array) => {
      check(observations.length === 5 * size, 'length');
      check(
        observations.every((v, i) => v >= space.low[i % size] && v <= space.high[i % size]),
        'bounds',
      );
    };
    checkBounds(environment.reset());
    const streams = actionStreams(5);
    const ages = new Array<number>(5).fill(0);
    let episodes = 0;
    for (let step = 0; step < 300; step++) {
      const { observations, nextObservations, rewards, terminated, truncated } = environment.step(
        anyActions(environment, streams),
      );
      checkBounds(observations);
      checkBounds(nextObservations);
      check(environment.observations === observations, 'observations are not those of the environment');
      for (let copy = 0; copy < 5; copy++) {
        check(
          rewards[copy] >= Math.fround(rewardRange.low) && rewards[copy] <= Math.fround(rewardRange.high),
          `reward ${rewards[copy]}`,
        );
        ages[copy]++;
        check(terminated[copy] + truncated[copy] <= 1, 'terminated and truncated');
        check(terminated[copy] === 1 || (truncated[copy] === 1) === (ages[copy] === timeLimit), `age ${ages[copy]}`);
        if (terminated[copy] | truncated[copy]) {
          ages[copy] = 0;
          episodes++;
        } else {
          for (let i = copy * size; i < (copy + 1) * size; i++) {
            check(nextObservations[i] === observations[i], 'observations differ within an episode');
          }
        }
      }
    }
    expect(wrong).toEqual([]);
    expect(episodes).toBeGreaterThan(0);
  });

  it('is the same for the same seed, and another for another', async () => {
    const runs = await Promise.all([1, 1, 2].map((seed) => create(use, { count: 3, seed })));
    const [first, second, other] = runs.map((environment) => {
      environment.reset();
      return play(environment, actionStreams(3), 120);
    });
    expect(second).toEqual(first);
    // Nothing is drawn in a fixed layout.
    if (!name.includes('partial view')) expect(other).not.toEqual(first);
  });

  it('goes on bit for bit from what was saved in mid-episode', async () => {
    const environment = await create(use, { count: 3 });
    environment.reset();
    const streams = actionStreams(3);
    play(environment, streams, 37);
    const saved = await environment.save();
    const shown = environment.observations.slice();
    const position = streams.map((random) => random.save());
    const after = play(environment, streams, 120);

    const other = await create(use, { count: 3 });
    other.reset();
    play(other, actionStreams(3, 8), 5);
    await other.load(saved);
    expect(other.observations).toEqual(shown);
    const again = actionStreams(3);
    again.forEach((random, i) => random.load(position[i]));
    expect(play(other, again, 120)).toEqual(after);
  });

  it('has copies that do not depend on how many there are', async () => {
    const [few, many] = [await create(use, { count: 2 }), await create(use, { count: 5 })];
    const size = few.observationSpace.low.length;
    expect(many.reset().slice(0, 2 * size)).toEqual(few.reset());
    const [fewStreams, manyStreams] = [actionStreams(2), actionStreams(5)];
    for (let step = 0; step < 40; step++) {
      const a = few.step(anyActions(few, fewStreams));
      const b = many.step(anyActions(many, manyStreams));
      expect(sha256(new Uint8Array(b.nextObservations.slice(0, 2 * size).buffer))).toBe(
        sha256(new Uint8Array(a.nextObservations.slice().buffer)),
      );
      expect([...b.rewards.subarray(0, 2)]).toEqual([...a.rewards]);
    }
  });

  it('starts masked copies anew and leaves the others alone', async () => {
    const environment = await create(use, { count: 3 });
    const size = environment.observationSpace.low.length;
    environment.reset();
    play(environment, actionStreams(3), 9);
    const before = environment.observations.slice();
    const shown = environment.reset(Uint8Array.of(0, 1, 0));
    for (const copy of [0, 2]) {
      const row = [copy * size, (copy + 1) * size] as const;
      expect(shown.subarray(...row)).toEqual(before.subarray(...row));
    }
  });

  it('draws itself', async () => {
    const environment = await create(use);
    environment.reset();
    const { width, height, data } = environment.render(0);
    expect(data).toHaveLength(width * height * 3);
    expect(new Set(data).size).toBeGreaterThan(1);
    expect(environment.text(0).split('\n').length).toBeGreaterThan(2);
  });

  it('refuses actions outside its space', async () => {
    const environment = await create(use, { count: 2 });
    const { actionSpace: space } = environment;
    expect(() => environment.step(new Int32Array(2))).toThrow(/before its first reset/);
    environment.reset();
    const bad =
      space.kind === 'discrete'
        ? [Int32Array.of(0, space.size), Int32Array.of(0, -1), Float32Array.of(0, 0.5), Float32Array.of(0, NaN)]
        : [Float32Array.of(0, 2.1), Float32Array.of(0, -2.1), Float32Array.of(0, NaN)];
    for (const actions of bad) {
      expect(() => environment.step(actions)).toThrow(`action ${actions[1]} of copy 1 is outside its space`);
    }
    expect(() => environment.step(new Int32Array(3))).toThrow(/3 numbers of actions for 2 copies/);
  });
});

it('has Gymnasium’s time limits', async () => {
  const limits = { 'cart-pole': 500, acrobot: 500, 'mountain-car': 200, 'mountain-car-continuous': 999, pendulum: 200 };
  for (const [use, limit] of Object.entries(limits)) {
    const environment = await create(use);
    expect(environment.timeLimit).toBe(limit);
    expect(environment.identity).toContain(`"timeLimit":${limit}`);
    environment.reset();
    // Nothing is earned by doing nothing, except where the pole would fall.
    if (use === 'cart-pole') continue;
    const idle = environment.actionSpace.kind === 'discrete' ? Int32Array.of(1) : Float32Array.of(0);
    for (let step = 1; step <= limit; step++) {
      const { truncated, terminated } = environment.step(idle);
      if (truncated[0] !== (step === limit ? 1 : 0) || terminated[0]) throw new Error(`${use} ended at step ${step}`);
    }
  }
});

it('refuses no copies and saved states of another number of them', async () => {
  await expect(create('pendulum', { count: 0 })).rejects.toThrow(/0 copies/);
  const two = await create('pendulum', { count: 2 });
  two.reset();
  const saved = await two.save();
  const three = await create('pendulum', { count: 3 });
  expect(() => three.load(saved)).toThrow(/3 copies with 2 numbers, the saved one 2 with 2/);
});
