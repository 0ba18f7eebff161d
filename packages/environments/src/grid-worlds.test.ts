import { create } from './test-support/create.js';

const [up, right, down, left] = [0, 1, 2, 3];

describe('key-door', () => {
  it('pays at the goal only, past the door that the key opens', async () => {
    const environment = await create({ use: 'key-door', size: 6, layout: 'fixed' });
    environment.reset();
    expect(environment.text(0)).toBe(
      ['# # # # # #', '# A . D . #', '# . . # . #', '# . . # . #', '# k . # G #', '# # # # # #', ''].join('\n'),
    );
    const go = (...actions: number[]) => actions.map((action) => environment.step(Int32Array.of(action)).rewards[0]);
    // The door is locked, and so is the wall.
    expect(go(right, right, up, left, left)).toEqual([0, 0, 0, 0, 0]);
    expect(environment.text(0).split('\n')[1]).toBe('# A . D . #');
    go(down, down, down);
    expect(environment.text(0).split('\n')[4]).toBe('# a . # G #');
    go(up, up, up, right, right);
    expect(environment.text(0).split('\n')[1]).toBe('# . . a . #');
    const { rewards, terminated, nextObservations } = (go(right, down, down), environment.step(Int32Array.of(down)));
    expect([rewards[0], terminated[0]]).toEqual([1, 1]);
    // Channels of the agent's last cell: agent, goal, carried key.
    expect([...nextObservations.subarray((4 * 6 + 4) * 6, (4 * 6 + 5) * 6)]).toEqual([1, 0, 0, 1, 0, 1]);
    expect(environment.text(0).split('\n')[1]).toBe('# A . D . #');
  });

  it('shows a square around the agent, with walls outside', async () => {
    const environment = await create({ use: 'key-door', size: 6, layout: 'fixed', view: 5 });
    const seen = environment.reset();
    const wall = (r: number, c: number) => seen[(r * 5 + c) * 6 + 4];
    const walls = Array.from({ length: 5 }, (_, r) => Array.from({ length: 5 }, (_, c) => wall(r, c)).join(''));
    // The agent stands at (1, 1), in the middle; the door is two cells to its right.
    expect(walls).toEqual(['11111', '11111', '11000', '11001', '11001']);
    expect(seen[(2 * 5 + 2) * 6]).toBe(1);
    expect(seen[(2 * 5 + 4) * 6 + 2]).toBe(1);
    await expect(create({ use: 'key-door', view: 4 })).rejects.toThrow(/view: 4 is even/);
  });

  it('draws layouts that can be solved, with everything on its side of the wall', async () => {
    const environment = await create({ use: 'key-door', size: 7 }, { count: 200 });
    environment.reset();
    const layouts = Array.from({ length: 200 }, (_, copy) => environment.text(copy));
    expect(new Set(layouts).size).toBeGreaterThan(150);
    for (const layout of layouts) {
      const rows = layout.split('\n').map((line) => line.split(' '));
      const place = (letter: string) => rows.flatMap((row, r) => row.flatMap((l, c) => (l === letter ? [[r, c]] : [])));
      const [[agent], [key], [door], [goal]] = ['A', 'k', 'D', 'G'].map(place);
      expect([agent, key, door, goal].every(Boolean)).toBe(true);
      expect(agent[1]).toBeLessThan(door[1]);
      expect(key[1]).toBeLessThan(door[1]);
      expect(goal[1]).toBeGreaterThan(door[1]);
    }
  });

  it('limits time by its size', async () => {
    expect((await create({ use: 'key-door', size: 6 })).timeLimit).toBe(360);
    expect((await create({ use: 'key-door', size: 6, timeLimit: 5 })).timeLimit).toBe(5);
  });
});

describe('t-maze', () => {
  it('shows the way once, and pays 4 for the right turn and −0.1 for the wrong one', async () => {
    const environment = await create({ use: 't-maze', corridor: 3 }, { count: 12 });
    const start = environment.reset().slice();
    const isUp = Array.from({ length: 12 }, (_, copy) => start[3 * copy] === 0);
    expect(new Set(isUp).size).toBe(2);
    isUp.forEach((goalIsUp, copy) => {
      expect([...start.subarray(3 * copy, 3 * copy + 3)]).toEqual(goalIsUp ? [0, 1, 1] : [1, 1, 0]);
    });
    const all = (action: number) => environment.step(new Int32Array(12).fill(action));
    // Into the wall.
    expect(all(left).rewards[0]).toBeCloseTo(-0.1, 6);
    expect(all(up).rewards[0]).toBeCloseTo(-0.1, 6);
    expect(all(right).rewards[0]).toBe(0);
    expect([...all(right).observations.subarray(0, 3)]).toEqual([1, 0, 1]);
    expect([...all(right).observations.subarray(0, 3)]).toEqual([0, 1, 0]);
    const { rewards, terminated } = all(up);
    expect([...terminated]).toEqual(new Array(12).fill(1));
    isUp.forEach((goalIsUp, copy) => expect(rewards[copy]).toBeCloseTo(goalIsUp ? 4 : -0.1, 6));
  });
});
