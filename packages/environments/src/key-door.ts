import { definePart, discrete, InputError, observationSpace, z, type Random } from '@retort/core';
import { blankPicture, fillRectangle, type Color } from './picture.js';
import type { Simulation } from './simulation.js';
import { vectorize } from './vectorize.js';

/** Numbers of the state. */
const [row, column, hasKey, isOpen, keyRow, keyColumn, wallColumn, doorRow, goalRow, goalColumn] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
];
const moves = [
  [-1, 0],
  [0, 1],
  [1, 0],
  [0, -1],
] as const;
const channels = [
  { name: 'agent', color: [220, 60, 60], letter: 'A' },
  { name: 'key', color: [230, 200, 40], letter: 'k' },
  { name: 'door', color: [150, 90, 40], letter: 'D' },
  { name: 'goal', color: [70, 180, 80], letter: 'G' },
  { name: 'wall', color: [110, 110, 120], letter: '#' },
  { name: 'carriedKey', color: [230, 200, 40], letter: 'k' },
] as const satisfies readonly { name: string; color: Color; letter: string }[];
const [agent, key, door, goal, wall, carriedKey] = channels.map((_, i) => i);

interface KeyDoorRules {
  size: number;
  view: number | 'all';
  layout: 'random' | 'fixed';
}

function simulation({ size, view, layout }: KeyDoorRules): Simulation {
  const inner = size - 2;
  const seen = view === 'all' ? size : view;

  /** The channel of what stands at a cell beside the agent; −1 of an empty one. Outside the grid are walls. */
  const thing = (state: Float64Array, r: number, c: number): number => {
    if (r <= 0 || c <= 0 || r >= size - 1 || c >= size - 1) return wall;
    if (c === state[wallColumn]) return r !== state[doorRow] ? wall : state[isOpen] ? -1 : door;
    if (!state[hasKey] && r === state[keyRow] && c === state[keyColumn]) return key;
    return r === state[goalRow] && c === state[goalColumn] ? goal : -1;
  };

  /** Two different cells of the left room, and one of the right. */
  const draw = (state: Float64Array, random: Random) => {
    state[wallColumn] = 2 + random.integer(size - 4);
    state[doorRow] = 1 + random.integer(inner);
    const left = inner * (state[wallColumn] - 1);
    const first = random.integer(left);
    let second = random.integer(left - 1);
    if (second >= first) second++;
    const place = (at: number, cell: number, columns: number, from: number) => {
      state[at] = 1 + Math.floor(cell / columns);
      state[at + 1] = from + (cell % columns);
    };
    const right = size - 2 - state[wallColumn];
    place(row, first, state[wallColumn] - 1, 1);
    place(keyRow, second, state[wallColumn] - 1, 1);
    place(goalRow, random.integer(inner * right), right, state[wallColumn] + 1);
  };

  const rules: Simulation = {
    observationSpace: observationSpace(
      [seen, seen, channels.length],
      0,
      1,
      channels.map(({ name }) => name),
    ),
    actionSpace: discrete(4),
    rewardRange: { low: 0, high: 1 },
    stateSize: 10,
    start(state, random) {
      state.fill(0);
      if (layout === 'random') return draw(state, random);
      state[row] = state[column] = 1;
      state[keyRow] = size - 2;
      state[keyColumn] = 1;
      state[wallColumn] = size >> 1;
      state[doorRow] = 1;
      state[goalRow] = state[goalColumn] = size - 2;
    },
    step(state, action) {
      const [down, right] = moves[action[0]];
      const [r, c] = [state[row] + down, state[column] + right];
      const found = thing(state, r, c);
      if (found === wall || (found === door && !state[hasKey])) return 0;
      if (found === door) state[isOpen] = 1;
      if (found === key) state[hasKey] = 1;
      state[row] = r;
      state[column] = c;
      return found === goal ? 1 : 0;
    },
    terminated: (state) => state[row] === state[goalRow] && state[column] === state[goalColumn],
    observe(state, observation) {
      observation.fill(0);
      const top = view === 'all' ? 0 : state[row] - (seen >> 1);
      const left = view === 'all' ? 0 : state[column] - (seen >> 1);
      for (let r = 0; r < seen; r++) {
        for (let c = 0; c < seen; c++) {
          const at = (r * seen + c) * channels.length;
          const found = thing(state, top + r, left + c);
          if (found >= 0) observation[at + found] = 1;
          if (top + r === state[row] && left + c === state[column]) {
            observation[at + agent] = 1;
            observation[at + carriedKey] = state[hasKey];
          }
        }
      }
    },
    render(state) {
      const cell = Math.max(4, Math.floor(200 / size));
      const picture = blankPicture(size * cell, size * cell, [245, 245, 240]);
      for (let r = 0; r < size; r++) {
        for (let c = 0; c < size; c++) {
          const paint = (color: Color, inset = 0) =>
            fillRectangle(
              picture,
              c * cell + inset,
              r * cell + inset,
              (c + 1) * cell - inset,
              (r + 1) * cell - inset,
              color,
            );
          const found = thing(state, r, c);
          if (found >= 0) paint(channels[found].color, found === key ? cell / 3 : 0);
          if (r !== state[row] || c !== state[column]) continue;
          paint(channels[agent].color, cell / 6);
          if (state[hasKey]) paint(channels[key].color, cell / 2.6);
        }
      }
      return picture;
    },
    text: (state) => {
      const letter = (r: number, c: number) => {
        if (r === state[row] && c === state[column]) return state[hasKey] ? 'a' : 'A';
        return channels[thing(state, r, c)]?.letter ?? '.';
      };
      const line = (r: number) => `${Array.from({ length: size }, (_, c) => letter(r, c)).join(' ')}\n`;
      return Array.from({ length: size }, (_, r) => line(r)).join('');
    },
  };
  return rules;
}

/**
 * Two rooms with a door between them: fetch the key, step through the door, find the goal. 1 at the goal, 0 for every step
 * before, so that chance alone earns little (a sparse reward). Actions: up, right, down, left; what is walked into a wall or a
 * locked door stays where it is.
 */
export const keyDoor = definePart('environment', {
  name: 'key-door',
  summary: 'Fetch a key, open a door, reach a goal: a grid world with sparse reward',
  options: z.strictObject({
    size: z.number().int().min(5).default(8).describe('Cells along each side, outer walls included.'),
    view: z
      .union([z.literal('all'), z.number().int().positive()])
      .default('all')
      .describe('What is seen: everything, or a square of so many cells (odd) around the agent, through walls.'),
    layout: z
      .enum(['random', 'fixed'])
      .default('random')
      .describe('Whether every episode draws wall, door and places, or all have the longest way.'),
    timeLimit: z
      .number()
      .int()
      .positive()
      .optional()
      .describe('Steps after which an episode is truncated. Default: 10 times the squared size.'),
  }),
  create: ({ timeLimit, ...rules }, context) => {
    if (typeof rules.view === 'number' && rules.view % 2 === 0) {
      throw new InputError(
        `${context.path}.view: ${rules.view} is even; the agent stands in the middle of an odd number`,
      );
    }
    const steps = timeLimit ?? 10 * rules.size ** 2;
    return vectorize(simulation(rules), { name: 'key-door', options: rules, timeLimit: steps }, context);
  },
});
