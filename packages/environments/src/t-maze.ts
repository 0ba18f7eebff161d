import { definePart, discrete, observationSpace, z } from '@retort/core';
import { blankPicture, fillRectangle, type Color } from './picture.js';
import type { Simulation } from './simulation.js';
import { vectorize } from './vectorize.js';

/** Numbers of the state: place along the corridor, whether the goal is up, whether a side was taken (1 right, −1 wrong). */
const [place, goalIsUp, taken] = [0, 1, 2];

/** The T-maze of Bakker 2001, "Reinforcement learning with long short-term memory", §4, without noise. */
function simulation(corridor: number): Simulation {
  return {
    observationSpace: observationSpace([3], 0, 1),
    actionSpace: discrete(4),
    rewardRange: { low: -0.1, high: 4 },
    stateSize: 3,
    start(state, random) {
      state[place] = 0;
      state[goalIsUp] = random.integer(2);
      state[taken] = 0;
    },
    step(state, action) {
      const sideways = action[0] % 2 === 0;
      if (sideways && state[place] === corridor) {
        state[taken] = (action[0] === 0) === (state[goalIsUp] === 1) ? 1 : -1;
        return state[taken] === 1 ? 4 : -0.1;
      }
      const next = state[place] + (sideways ? 0 : action[0] === 1 ? 1 : -1);
      if (next === state[place] || next < 0 || next > corridor) return -0.1;
      state[place] = next;
      return 0;
    },
    terminated: (state) => state[taken] !== 0,
    observe(state, observation) {
      const atStart = state[place] === 0;
      const atJunction = state[place] === corridor;
      // 011 or 110 at the start, 101 in the corridor, 010 at the junction.
      observation[0] = atJunction || (atStart && state[goalIsUp] === 1) ? 0 : 1;
      observation[1] = atStart || atJunction ? 1 : 0;
      observation[2] = atJunction || (atStart && state[goalIsUp] === 0) ? 0 : 1;
    },
    render(state) {
      const cell = Math.max(4, Math.min(24, Math.floor(400 / (corridor + 1))));
      const picture = blankPicture((corridor + 1) * cell, 3 * cell, [60, 60, 70]);
      const paint = (row: number, column: number, color: Color, inset = 0.5) =>
        fillRectangle(
          picture,
          column * cell + inset,
          row * cell + inset,
          (column + 1) * cell - inset,
          (row + 1) * cell - inset,
          color,
        );
      for (let column = 0; column <= corridor; column++) paint(1, column, [245, 245, 240]);
      paint(0, corridor, state[goalIsUp] ? [70, 180, 80] : [245, 245, 240]);
      paint(2, corridor, state[goalIsUp] ? [245, 245, 240] : [70, 180, 80]);
      const row = state[taken] === 0 ? 1 : (state[taken] === 1) === (state[goalIsUp] === 1) ? 0 : 2;
      paint(row, state[place], [220, 60, 60], cell / 5);
      return picture;
    },
    text(state) {
      const row = state[taken] === 0 ? 1 : (state[taken] === 1) === (state[goalIsUp] === 1) ? 0 : 2;
      const letter = (r: number, c: number) => {
        if (r === row && c === state[place]) return 'A';
        if (r === 1) return '.';
        return c < corridor ? '#' : (r === 0) === (state[goalIsUp] === 1) ? 'G' : '.';
      };
      const line = (r: number) => `${Array.from({ length: corridor + 1 }, (_, c) => letter(r, c)).join(' ')}\n`;
      return [0, 1, 2].map(line).join('');
    },
  };
}

/**
 * A corridor whose first cell says which way to turn at its end: 4 for the right turn, −0.1 for the wrong one and for every step
 * into a wall. The best return without memory is 1.95 on average. Actions: up, right, down, left.
 */
export const tMaze = definePart('environment', {
  name: 't-maze',
  summary: 'Remember at the end of a corridor what its first cell said, a task for recurrent policies',
  options: z.strictObject({
    corridor: z.number().int().positive().default(10).describe('Steps from the first cell to the junction.'),
    timeLimit: z
      .number()
      .int()
      .positive()
      .optional()
      .describe('Steps after which an episode is truncated. Default: 10 times corridor + 1.'),
  }),
  create: ({ corridor, timeLimit = 10 * (corridor + 1) }, context) =>
    vectorize(simulation(corridor), { name: 't-maze', options: { corridor }, timeLimit }, context),
});
