import { actionStreams, anyActions, create } from './test-support/create.js';
import { checkEnvironment } from './check-environment.js';

const both = { use: 'multi-task', environments: ['cart-pole', { use: 'acrobot', timeLimit: 20 }] };

describe('multi-task', () => {
  it('plays the tasks in turn, each copy as it would alone, and shows which', async () => {
    const joined = checkEnvironment(await create(both, { count: 5 }));
    expect(joined.observationSpace.shape).toEqual([8]);
    expect(joined.actionSpace).toEqual({ kind: 'discrete', size: 3 });
    expect(joined.tasks!.map(({ name }) => name)).toEqual(['cart-pole', 'acrobot']);
    expect(joined.timeLimit).toBe(500);
    expect(joined.rewardRange).toEqual({ low: -1, high: 1 });
    joined.reset();
    const [cart, swing] = joined.tasks!;
    for (let step = 0; step < 45; step++) {
      const before = joined.observations.slice();
      for (let copy = 0; copy < 5; copy++) {
        const row = before.subarray(copy * 8, copy * 8 + 8);
        expect([...row.subarray(6)]).toEqual(copy % 2 === 0 ? [1, 0] : [0, 1]);
        if (copy % 2 === 0) expect([...row.subarray(4, 6)]).toEqual([0, 0]);
      }
      const shown = before.subarray(0, 8);
      expect([...cart.own(shown)]).toEqual([...shown.subarray(0, 4)]);
      expect([...swing.own(before)].slice(6, 12)).toEqual([...before.subarray(8, 14)]);
      // An action that cart-pole lacks is its action 0.
      const { truncated, rewards } = joined.step(Int32Array.of(2, 0, 0, 2, 1));
      expect([...truncated]).toEqual(step % 20 === 19 ? [0, 1, 0, 1, 0] : [0, 0, 0, 0, 0]);
      expect([...rewards]).toEqual([1, -1, 1, -1, 1]);
    }
  });

  it('moves a task as the task itself moves', async () => {
    const joined = await create(
      { use: 'multi-task', environments: ['pendulum', 'mountain-car-continuous'] },
      { count: 2 },
    );
    joined.reset();
    expect(joined.actionSpace).toEqual({ kind: 'box', low: [-1], high: [1] });
    const [angle] = [Math.atan2(joined.observations[1], joined.observations[0])];
    const velocity = joined.observations[2];
    const { nextObservations } = joined.step(Float32Array.of(0.5, 1));
    // Half of the half range of [−2, 2]: torque 1.
    const next = velocity + (15 * Math.sin(angle) + 3) * 0.05;
    expect(nextObservations[2]).toBeCloseTo(next, 4);
  });

  it('puts small grids into a corner of large ones, and a plane per task behind', async () => {
    const joined = await create(
      { use: 'multi-task', environments: [{ use: 'key-door', size: 6 }, 'breakout'] },
      { count: 2 },
    );
    expect(joined.observationSpace.shape).toEqual([10, 10, 8]);
    joined.reset();
    const grid = joined.tasks![0].own(joined.observations.subarray(0, 800));
    for (let row = 0; row < 10; row++) {
      for (let column = 0; column < 10; column++) {
        const cell = [...joined.observations.subarray((row * 10 + column) * 8, (row * 10 + column) * 8 + 8)];
        expect(cell.slice(6)).toEqual([1, 0]);
        const inside = row < 6 && column < 6;
        expect(cell.slice(0, 6)).toEqual(
          inside ? [...grid.subarray((row * 6 + column) * 6, (row * 6 + column) * 6 + 6)] : [0, 0, 0, 0, 0, 0],
        );
      }
    }
  });

  it('does not depend on how many copies there are, and goes on from where it was saved', async () => {
    const [few, many] = [await create(both, { count: 3 }), await create(both, { count: 6 })];
    few.reset();
    many.reset();
    const streams = actionStreams(6);
    for (let step = 0; step < 60; step++) {
      const actions = anyActions(many, streams) as Int32Array;
      many.step(actions);
      few.step(actions.subarray(0, 3));
      expect([...few.observations]).toEqual([...many.observations.subarray(0, 24)]);
    }
    const saved = await few.save();
    const other = await create(both, { count: 3 });
    await other.load(saved);
    expect(other.observations).toEqual(few.observations);
    const [a, b] = [few, other].map((environment) => environment.step(Int32Array.of(1, 2, 0)).observations.slice());
    expect(a).toEqual(b);
  });

  it('may have fewer copies than tasks', async () => {
    const [one, two] = [await create(both, { count: 1 }), await create(both, { count: 2 })];
    expect(one.observationSpace).toEqual(two.observationSpace);
    one.reset();
    two.reset();
    for (let step = 0; step < 30; step++) {
      const observations = one.step(Int32Array.of(step % 3)).observations;
      expect(observations).toEqual(two.step(Int32Array.of(step % 3, 0)).observations.slice(0, 8));
    }
  });

  it('says what cannot be joined', async () => {
    await expect(create({ use: 'multi-task', environments: ['cart-pole', 'breakout'] }, { count: 2 })).rejects.toThrow(
      /\[4\] and \[10,10,4\] cannot be shown together/,
    );
    await expect(create({ use: 'multi-task', environments: ['cart-pole', 'pendulum'] }, { count: 2 })).rejects.toThrow(
      /cart-pole .* and pendulum .* cannot be joined: actions of one are discrete, of the other box/,
    );
  });
});
