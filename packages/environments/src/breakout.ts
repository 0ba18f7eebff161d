import { definePart, z } from '@retort/core';
import { createGame, gameOptions, side, type GridGame } from './grid-game.js';

/** Numbers of the state, before the bricks of rows 1 to 3. */
const [ballRow, ballColumn, down, right, lastRow, lastColumn, paddle, struck, lost, bricks] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
];
const brickRows = 3;
const end = bricks + brickRows * side;
const bottom = side - 1;

/** Index of the brick at a cell; −1 where bricks never are. */
const brickAt = (row: number, column: number) =>
  row >= 1 && row <= brickRows ? bricks + (row - 1) * side + column : -1;

function allBroken(state: Float64Array): boolean {
  for (let brick = bricks; brick < end; brick++) if (state[brick]) return false;
  return true;
}

export const breakoutGame: GridGame = {
  name: 'breakout',
  actions: ['none', 'left', 'right'],
  channels: [
    { name: 'paddle', color: [230, 230, 230], letter: '=' },
    { name: 'ball', color: [255, 200, 60], letter: 'o' },
    { name: 'trail', color: [120, 95, 40], letter: ',' },
    { name: 'brick', color: [190, 70, 60], letter: '#' },
  ],
  rewardRange: { low: 0, high: 1 },
  stateSize: end,
  start(state, random) {
    state.fill(0);
    const fromRight = random.integer(2) === 1;
    state[ballRow] = state[lastRow] = 3;
    state[ballColumn] = state[lastColumn] = fromRight ? bottom : 0;
    state[down] = 1;
    state[right] = fromRight ? -1 : 1;
    state[paddle] = 4;
    state.fill(1, bricks, end);
  },
  step(state, action) {
    if (action === 1) state[paddle] = Math.max(0, state[paddle] - 1);
    if (action === 2) state[paddle] = Math.min(bottom, state[paddle] + 1);

    let reward = 0;
    const row0 = state[ballRow];
    const column0 = state[ballColumn];
    let row = row0 + state[down];
    let column = column0 + state[right];
    if (column < 0 || column > bottom) {
      column = column0;
      state[right] *= -1;
    }
    const brick = brickAt(row, column);
    const inBrick = brick >= 0 && state[brick] === 1;
    if (row < 0) {
      row = 0;
      state[down] *= -1;
    } else if (inBrick) {
      // A ball that has just broken a brick flies through the next one.
      if (!state[struck]) {
        reward = 1;
        state[brick] = 0;
        row = row0;
        state[down] *= -1;
      }
    } else if (row === bottom) {
      if (allBroken(state)) state.fill(1, bricks, end);
      if (column0 === state[paddle]) {
        row = row0;
        state[down] *= -1;
      } else if (column === state[paddle]) {
        row = row0;
        state[down] *= -1;
        state[right] *= -1;
      } else {
        state[lost] = 1;
      }
    }
    state[struck] = inBrick ? 1 : 0;
    state[lastRow] = row0;
    state[lastColumn] = column0;
    state[ballRow] = row;
    state[ballColumn] = column;
    return reward;
  },
  terminated: (state) => state[lost] === 1,
  observe(state, observation, cell) {
    observation[cell(bottom, state[paddle], 0)] = 1;
    observation[cell(state[ballRow], state[ballColumn], 1)] = 1;
    observation[cell(state[lastRow], state[lastColumn], 2)] = 1;
    for (let row = 1; row <= brickRows; row++) {
      for (let column = 0; column < side; column++) {
        if (state[brickAt(row, column)]) observation[cell(row, column, 3)] = 1;
      }
    }
  },
};

/**
 * A ball that flies diagonally, three rows of bricks and a paddle of one cell: 1 for every brick, over when the ball is missed.
 * Cleared bricks come back when the ball is next at the paddle's height.
 */
export const breakout = definePart('environment', {
  name: 'breakout',
  summary: 'Break bricks with a ball on 10 × 10 cells, as in MinAtar',
  options: z.strictObject(gameOptions(5000)),
  create: (options, context) => createGame(breakoutGame, options, context),
});
