import { discrete, observationSpace, z, type EnvironmentContext, type Random } from '@retort/core';
import { timeLimitOption } from './options.js';
import { blankPicture, fillRectangle, type Color } from './picture.js';
import type { Simulation } from './simulation.js';
import { vectorize } from './vectorize.js';

/** Cells along each side. */
export const side = 10;

/** A game on 10 × 10 cells in the manner of MinAtar (Young & Tian 2019, arXiv 1903.03176). */
export interface GridGame {
  name: string;
  /** Names of the actions that have an effect; 0 is doing nothing. */
  actions: readonly string[];
  /** What each channel shows, with its color and letter; of what stands on one cell the first is drawn. */
  channels: readonly { name: string; color: Color; letter: string }[];
  rewardRange: { low: number; high: number };
  /** Numbers of the state that are the game's; one more follows, which is not. */
  stateSize: number;
  start(state: Float64Array, random: Random): void;
  step(state: Float64Array, action: number, random: Random): number;
  terminated(state: Float64Array): boolean;
  /** Sets cells of an observation that is all 0: `observation[cell(row, column, channel)] = 1`. */
  observe(state: Float64Array, observation: Float32Array, cell: CellIndex): void;
}

type CellIndex = (row: number, column: number, channel: number) => number;

/** Options of all games. */
export const gameOptions = (steps: number) => ({
  sticky: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe('Probability that the action before is done again instead. 0: never.'),
  timeLimit: timeLimitOption(steps),
});

/** A game's simulation: observations [10, 10, C] of 0 and 1, and sticky actions, which start as doing nothing. */
export function gameSimulation(game: GridGame, sticky: number): Simulation {
  const channels = game.channels.length;
  const cell: CellIndex = (row, column, channel) => (row * side + column) * channels + channel;
  const seen = new Float32Array(side * side * channels);
  // The action before stands behind the game's own numbers.
  const before = game.stateSize;
  /** The first channel at a cell of `seen`; −1 where there is none. */
  const first = (row: number, column: number) => {
    for (let channel = 0; channel < channels; channel++) if (seen[cell(row, column, channel)]) return channel;
    return -1;
  };
  const simulation: Simulation = {
    observationSpace: observationSpace(
      [side, side, channels],
      0,
      1,
      game.channels.map(({ name }) => name),
    ),
    actionSpace: discrete(game.actions.length),
    rewardRange: game.rewardRange,
    stateSize: game.stateSize + 1,
    start(state, random) {
      game.start(state, random);
      state[before] = 0;
    },
    step(state, action, random) {
      if (sticky === 0 || random.uniform() >= sticky) state[before] = action[0];
      return game.step(state, state[before], random);
    },
    terminated: (state) => game.terminated(state),
    observe(state, observation) {
      observation.fill(0);
      game.observe(state, observation, cell);
    },
    render(state) {
      const size = 16;
      const picture = blankPicture(side * size, side * size, [16, 16, 24]);
      simulation.observe(state, seen);
      for (let row = 0; row < side; row++) {
        for (let column = 0; column < side; column++) {
          const channel = first(row, column);
          const [left, top] = [column * size, row * size];
          if (channel >= 0) {
            fillRectangle(picture, left, top, left + size - 1, top + size - 1, game.channels[channel].color);
          }
        }
      }
      return picture;
    },
    text(state) {
      simulation.observe(state, seen);
      const letters = (row: number) =>
        Array.from({ length: side }, (_, column) => game.channels[first(row, column)]?.letter ?? '.').join(' ');
      return Array.from({ length: side }, (_, row) => `${letters(row)}\n`).join('');
    },
  };
  return simulation;
}

/** A game as an environment. */
export function createGame(
  game: GridGame,
  options: { sticky: number; timeLimit: number },
  context: EnvironmentContext,
) {
  return vectorize(
    gameSimulation(game, options.sticky),
    { name: game.name, options, timeLimit: options.timeLimit },
    context,
  );
}
