import { definePart, definePlugin, createRegistry, resolvePart, Seeds, z, type Environment } from '@retort/core';
import { checkEnvironment } from './check-environment.js';
import { plugin } from './index.js';
import { create } from './test-support/create.js';

const push = (environment: Environment, action = 1) => environment.step(new Int32Array(environment.count).fill(action));

describe('frame-stack', () => {
  it('shows the last observations, oldest first, and the first one repeated at the start', async () => {
    const plain = await create('mountain-car', { count: 2 });
    const stacked = await create({ use: 'frame-stack', frames: 3, environment: 'mountain-car' }, { count: 2 });
    expect(stacked.observationSpace.shape).toEqual([6]);
    expect(stacked.observationSpace.names).toEqual([
      'position0',
      'velocity0',
      'position1',
      'velocity1',
      'position2',
      'velocity2',
    ]);
    const history = [plain.reset().slice()];
    stacked.reset();
    const expected = (copy: number) =>
      [-3, -2, -1].flatMap((back) => {
        const frame = history[Math.max(0, history.length + back)];
        return [...frame.subarray(2 * copy, 2 * copy + 2)];
      });
    for (let step = 0; step < 5; step++) {
      for (const copy of [0, 1]) {
        expect([...stacked.observations.subarray(6 * copy, 6 * copy + 6)]).toEqual(expected(copy));
      }
      history.push(push(plain, 2).observations.slice());
      push(stacked, 2);
    }
    // At the end of an episode: the last frames of the old one, and the new one's first thrice.
    for (let step = 5; step < 199; step++) {
      history.push(push(plain, 2).observations.slice());
      push(stacked, 2);
    }
    const end = push(plain, 2);
    const { nextObservations, observations, truncated } = push(stacked, 2);
    expect(truncated[0]).toBe(1);
    expect([...nextObservations.subarray(4, 6)]).toEqual([...end.nextObservations.subarray(0, 2)]);
    expect([...nextObservations.subarray(2, 4)]).toEqual([...history[history.length - 1].subarray(0, 2)]);
    const first = [...end.observations.subarray(0, 2)];
    expect([...observations.subarray(0, 6)]).toEqual([...first, ...first, ...first]);
  });

  it('stacks grids along their channels', async () => {
    const stacked = await create({ use: 'frame-stack', frames: 2, environment: { use: 'breakout', sticky: 0 } });
    expect(stacked.observationSpace.shape).toEqual([10, 10, 8]);
    const [start] = [stacked.reset().slice()];
    const next = push(stacked, 0).observations;
    for (let cell = 0; cell < 100; cell++) {
      expect([...next.subarray(cell * 8, cell * 8 + 4)]).toEqual([...start.subarray(cell * 8 + 4, cell * 8 + 8)]);
    }
    expect(stacked.observationSpace.names![5]).toBe('ball1');
  });
});

describe('partial-observation', () => {
  it('hides velocities, or what is named', async () => {
    const whole = await create('cart-pole');
    const partial = await create({ use: 'partial-observation', environment: 'cart-pole' });
    expect(partial.observationSpace.names).toEqual(['position', 'angle']);
    expect([...partial.observationSpace.high]).toEqual([Math.fround(4.8), Math.fround((24 * Math.PI) / 180)]);
    whole.reset();
    partial.reset();
    push(whole);
    expect([...push(partial).nextObservations]).toEqual([whole.observations[0], whole.observations[2]]);

    const named = await create({ use: 'partial-observation', without: ['trail', 'ball'], environment: 'breakout' });
    expect(named.observationSpace.shape).toEqual([10, 10, 2]);
  });

  it('says what there is to hide', async () => {
    await expect(create({ use: 'partial-observation', environment: 'breakout' })).rejects.toThrow(/shows no velocity/);
    await expect(create({ use: 'partial-observation', without: ['speed'], environment: 'cart-pole' })).rejects.toThrow(
      /shows nothing called "speed"/,
    );
  });
});

describe('time-limit', () => {
  it('truncates earlier, and starts these copies anew', async () => {
    const limited = await create({ use: 'time-limit', timeLimit: 4, environment: 'mountain-car' }, { count: 2 });
    limited.reset();
    push(limited);
    limited.reset(Uint8Array.of(0, 1)); // one step behind from here
    const ends = Array.from({ length: 4 }, () => [...push(limited).truncated]);
    expect(ends).toEqual([
      [0, 0],
      [0, 0],
      [1, 0],
      [0, 1],
    ]);
    expect(limited.observations[3]).toBe(0); // at rest: a new episode
    await expect(create({ use: 'time-limit', timeLimit: 201, environment: 'mountain-car' })).rejects.toThrow(
      /after 200/,
    );
  });
});

describe('an environment of others, watched', () => {
  /** Counts up from 0; an episode ends at `end`, and the option says what is wrong with it. */
  const counter = definePart('environment', {
    name: 'counter',
    summary: 'Counts',
    options: z.strictObject({ fault: z.enum(['none', 'nan', 'reward', 'endless', 'unlimited']) }),
    create: ({ fault }, { count }) => {
      const observations = new Float32Array(count);
      const zeros = new Uint8Array(count);
      return {
        identity: `counter ${fault}`,
        count,
        observationSpace: { shape: [1], low: Float32Array.of(0), high: Float32Array.of(100), names: ['number'] },
        actionSpace: { kind: 'discrete', size: 2 },
        rewardRange: { low: 0, high: 1 },
        timeLimit: fault === 'unlimited' ? Infinity : 5,
        observations,
        reset(mask?: Uint8Array) {
          observations.forEach((_, copy) => (!mask || mask[copy] ? (observations[copy] = 0) : undefined));
          return observations;
        },
        step() {
          observations.forEach((_, copy) => observations[copy]++);
          const late = observations[0] >= 3;
          if (fault === 'nan' && late) observations[1] = NaN;
          return {
            observations,
            nextObservations: observations,
            rewards: new Float32Array(count).fill(fault === 'reward' && late ? 2 : 0),
            terminated: zeros,
            truncated: zeros,
          };
        },
        render: () => ({ width: 1, height: 1, data: new Uint8Array(3) }),
        text: () => '',
        save: async () => null,
        load: () => undefined,
      };
    },
  });
  async function watched(fault: string, wrap = (use: unknown): unknown => use) {
    const registry = createRegistry([plugin, definePlugin({ name: 'counter', register: (r) => void r.add(counter) })]);
    const scope = registry.createScope();
    const reference = resolvePart(registry, 'environment', wrap({ use: 'counter', fault }));
    return checkEnvironment(await scope.create(reference, { count: 2, seeds: new Seeds(1), scope, path: 'e' }));
  }
  const run = async (fault: string) => {
    const environment = await watched(fault);
    environment.reset();
    for (let step = 0; step < 20; step++) push(environment);
  };

  it('is refused without a time limit, which a wrapper brings', async () => {
    await expect(watched('unlimited')).rejects.toThrow(/has no time limit, so an episode may never end/);
    const limited = await watched('unlimited', (environment) => ({ use: 'time-limit', timeLimit: 3, environment }));
    limited.reset();
    const ends = Array.from({ length: 6 }, () => push(limited).truncated[0]);
    expect(ends).toEqual([0, 0, 1, 0, 0, 1]);
  });

  it('is stopped by what is wrong with it', async () => {
    await expect(run('nan')).rejects.toThrow(/copy 1 shows NaN as number, outside \[0, 100\]/);
    await expect(run('reward')).rejects.toThrow(/copy 0 earned 2, outside \[0, 1\]/);
    await expect(run('endless')).rejects.toThrow(/copy 0 goes on after 5 steps, past its time limit/);
    const environment = await watched('none');
    environment.reset();
    expect(() => push(environment, 2)).toThrow(/action 2 of copy 0 is outside its space/);
  });

  it('passes on what is right, and its save and load', async () => {
    const [plain, checked] = [await create('pendulum'), checkEnvironment(await create('pendulum'))];
    plain.reset();
    checked.reset();
    for (let step = 0; step < 250; step++) {
      const torque = Float32Array.of(Math.sin(step));
      expect(checked.step(torque).observations).toEqual(plain.step(torque).observations);
    }
    const saved = await checked.save();
    checked.step(Float32Array.of(1));
    await checked.load(saved);
    expect(checked.observations).toEqual(plain.observations);
  });
});
