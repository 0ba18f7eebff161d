import { definePart, z, type Random } from '@retort/core';
import { createGame, gameOptions, side, type GridGame } from './grid-game.js';

/** Numbers of the state, before place, wait and velocity of each car. */
const [chicken, wait, cars] = [0, 1, 2];
const carCount = 8;
/** The column that the chicken walks along. */
const path = 4;
const home = side - 1;
/** Frames between steps of the chicken. */
const pace = 3;

/** A car of velocity v waits |v| frames, then moves by a cell in the direction of v. */
const placeOf = (car: number) => cars + 3 * car;
const waitOf = (car: number) => cars + 3 * car + 1;
const velocityOf = (car: number) => cars + 3 * car + 2;

function drawVelocities(state: Float64Array, random: Random): void {
  for (let car = 0; car < carCount; car++) {
    const speed = 1 + random.integer(5);
    state[waitOf(car)] = speed;
    state[velocityOf(car)] = random.integer(2) === 1 ? speed : -speed;
  }
}

export const freewayGame: GridGame = {
  name: 'freeway',
  actions: ['none', 'up', 'down'],
  channels: [
    { name: 'chicken', color: [255, 220, 80], letter: 'C' },
    { name: 'car', color: [210, 80, 80], letter: 'O' },
    ...[1, 2, 3, 4, 5].map((speed) => ({
      name: `speed${speed}`,
      color: [30 + 8 * speed, 130 - 18 * speed, 150 - 15 * speed] as const,
      letter: String(speed),
    })),
  ],
  rewardRange: { low: 0, high: 1 },
  stateSize: cars + 3 * carCount,
  start(state, random) {
    state.fill(0);
    state[chicken] = home;
    state[wait] = pace;
    drawVelocities(state, random);
  },
  step(state, action, random) {
    if (action !== 0 && state[wait] === 0) {
      state[wait] = pace;
      state[chicken] = action === 1 ? Math.max(0, state[chicken] - 1) : Math.min(home, state[chicken] + 1);
    }
    let reward = 0;
    if (state[chicken] === 0) {
      reward = 1;
      drawVelocities(state, random);
      state[chicken] = home;
    }
    for (let car = 0; car < carCount; car++) {
      const isHit = () => state[chicken] === car + 1 && state[placeOf(car)] === path;
      if (isHit()) state[chicken] = home;
      if (state[waitOf(car)] > 0) {
        state[waitOf(car)]--;
        continue;
      }
      const velocity = state[velocityOf(car)];
      state[waitOf(car)] = Math.abs(velocity);
      state[placeOf(car)] = (state[placeOf(car)] + Math.sign(velocity) + side) % side;
      if (isHit()) state[chicken] = home;
    }
    if (state[wait] > 0) state[wait]--;
    return reward;
  },
  terminated: () => false,
  observe(state, observation, cell) {
    observation[cell(state[chicken], path, 0)] = 1;
    for (let car = 0; car < carCount; car++) {
      const velocity = state[velocityOf(car)];
      const behind = (state[placeOf(car)] - Math.sign(velocity) + side) % side;
      observation[cell(car + 1, state[placeOf(car)], 1)] = 1;
      observation[cell(car + 1, behind, 1 + Math.abs(velocity))] = 1;
    }
  },
};

/**
 * Cross eight lanes of traffic: 1 for every crossing, after which the cars get new speeds; a car sends the chicken back. It can
 * step every third frame.
 *
 * MinAtar calls the end after 2500 frames a termination. The frame does not show how many are left, so it is a truncation here.
 */
export const freeway = definePart('environment', {
  name: 'freeway',
  summary: 'Cross a road with eight lanes on 10 × 10 cells, as in MinAtar',
  options: z.strictObject(gameOptions(2500)),
  create: (options, context) => createGame(freewayGame, options, context),
});
