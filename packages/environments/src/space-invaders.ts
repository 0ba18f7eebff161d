import { definePart, z } from '@retort/core';
import { createGame, gameOptions, side, type GridGame } from './grid-game.js';

const cells = side * side;
/** Numbers of the state; from `aliens` on three grids, row by row. */
const [cannon, direction, moveWait, moveInterval, alienShotWait, shotWait, lost, aliens] = [0, 1, 2, 3, 4, 5, 6, 7];
const shots = aliens + cells;
const alienShots = shots + cells;
const bottom = side - 1;

const slowest = 12;
const quickestStart = 6;
const shotInterval = 5;
const alienShotInterval = 10;

function newWave(state: Float64Array): void {
  for (let row = 0; row < 4; row++) state.fill(1, aliens + row * side + 2, aliens + row * side + 8);
}

/** Moves a grid down by a row, or up where `by` is −1; an empty row comes in. */
function shiftRows(state: Float64Array, grid: number, by: 1 | -1): void {
  // Loops: the copies that typed arrays offer are slower for a hundred numbers.
  if (by === 1) {
    for (let i = cells - 1; i >= 0; i--) state[grid + i] = i < side ? 0 : state[grid + i - side];
  } else {
    for (let i = 0; i < cells; i++) state[grid + i] = i >= cells - side ? 0 : state[grid + i + side];
  }
}

function shiftColumns(state: Float64Array, grid: number, by: number): void {
  for (let row = 0; row < side; row++) {
    const start = grid + row * side;
    if (by > 0) {
      state.copyWithin(start + 1, start, start + side - 1);
      state[start] = 0;
    } else {
      state.copyWithin(start, start + 1, start + side);
      state[start + side - 1] = 0;
    }
  }
}

const columnHasAlien = (state: Float64Array, column: number) => {
  for (let row = 0; row < side; row++) if (state[aliens + row * side + column]) return true;
  return false;
};

function countAliens(state: Float64Array): number {
  let count = 0;
  for (let i = 0; i < cells; i++) count += state[aliens + i];
  return count;
}

/** The lowest alien of the column nearest to the cannon, the left one of two, shoots. */
function alienShoots(state: Float64Array): void {
  for (let away = 0; away < side; away++) {
    for (const column of away === 0 ? [state[cannon]] : [state[cannon] - away, state[cannon] + away]) {
      if (column < 0 || column > bottom || !columnHasAlien(state, column)) continue;
      let row = bottom;
      while (!state[aliens + row * side + column]) row--;
      state[alienShots + row * side + column] = 1;
      return;
    }
  }
}

/** Steps the aliens aside, or down and around at the edge. */
function moveAliens(state: Float64Array): void {
  const edge = state[direction] < 0 ? 0 : bottom;
  if (!columnHasAlien(state, edge)) {
    shiftColumns(state, aliens, state[direction]);
    return;
  }
  state[direction] *= -1;
  for (let column = 0; column < side; column++) if (state[aliens + bottom * side + column]) state[lost] = 1;
  shiftRows(state, aliens, 1);
}

export const spaceInvadersGame = (ramping: boolean): GridGame => ({
  name: 'space-invaders',
  actions: ['none', 'left', 'right', 'fire'],
  channels: [
    { name: 'cannon', color: [90, 200, 120], letter: 'A' },
    { name: 'alien', color: [200, 90, 200], letter: 'W' },
    { name: 'alienLeft', color: [200, 90, 200], letter: 'W' },
    { name: 'alienRight', color: [200, 90, 200], letter: 'W' },
    { name: 'shot', color: [240, 240, 240], letter: '|' },
    { name: 'alienShot', color: [240, 120, 80], letter: '!' },
  ],
  // Two shots at most are on their way: one every 5 frames, for 9 frames.
  rewardRange: { low: 0, high: 2 },
  stateSize: alienShots + cells,
  start(state) {
    state.fill(0);
    state[cannon] = 5;
    state[direction] = -1;
    state[moveWait] = state[moveInterval] = slowest;
    state[alienShotWait] = alienShotInterval;
    newWave(state);
  },
  step(state, action) {
    if (action === 1) state[cannon] = Math.max(0, state[cannon] - 1);
    if (action === 2) state[cannon] = Math.min(bottom, state[cannon] + 1);
    if (action === 3 && state[shotWait] === 0) {
      state[shots + bottom * side + state[cannon]] = 1;
      state[shotWait] = shotInterval;
    }
    const atCannon = bottom * side + state[cannon];
    shiftRows(state, shots, -1);
    shiftRows(state, alienShots, 1);
    if (state[alienShots + atCannon] || state[aliens + atCannon]) state[lost] = 1;
    if (state[moveWait] === 0) {
      state[moveWait] = Math.min(countAliens(state), state[moveInterval]);
      moveAliens(state);
      if (state[aliens + atCannon]) state[lost] = 1;
    }
    if (state[alienShotWait] === 0) {
      state[alienShotWait] = alienShotInterval;
      alienShoots(state);
    }
    let reward = 0;
    for (let i = 0; i < cells; i++) {
      if (!state[aliens + i] || !state[shots + i]) continue;
      state[aliens + i] = state[shots + i] = 0;
      reward++;
    }
    if (state[shotWait] > 0) state[shotWait]--;
    state[moveWait]--;
    state[alienShotWait]--;
    if (reward > 0 && countAliens(state) === 0) {
      if (ramping && state[moveInterval] > quickestStart) state[moveInterval]--;
      newWave(state);
    }
    return reward;
  },
  terminated: (state) => state[lost] === 1,
  observe(state, observation, cell) {
    observation[cell(bottom, state[cannon], 0)] = 1;
    const heading = state[direction] < 0 ? 2 : 3;
    for (let row = 0; row < side; row++) {
      for (let column = 0; column < side; column++) {
        const i = row * side + column;
        if (state[aliens + i]) observation[cell(row, column, 1)] = observation[cell(row, column, heading)] = 1;
        if (state[shots + i]) observation[cell(row, column, 4)] = 1;
        if (state[alienShots + i]) observation[cell(row, column, 5)] = 1;
      }
    }
  },
});

/**
 * Shoot 24 aliens that come nearer and shoot back: 1 for each; over when a shot or an alien reaches the cannon, or an alien is
 * to leave the lowest row. The fewer are left the faster they move, and every wave is faster than the one before.
 */
export const spaceInvaders = definePart('environment', {
  name: 'space-invaders',
  summary: 'Shoot aliens that come nearer on 10 × 10 cells, as in MinAtar',
  options: z.strictObject({
    ramping: z.boolean().default(true).describe('Whether every wave moves faster than the one before.'),
    ...gameOptions(5000),
  }),
  create: (options, context) => createGame(spaceInvadersGame(options.ramping), options, context),
});
