import { Seeds } from '@retort/core';
import { breakoutGame } from './breakout.js';
import { freewayGame } from './freeway.js';
import { gameSimulation, type GridGame } from './grid-game.js';
import { spaceInvadersGame } from './space-invaders.js';
import type { Simulation } from './simulation.js';

/** Plays without sticky actions and reads the game as text, a letter per cell. */
function player(game: GridGame, seed = 1) {
  const simulation: Simulation = gameSimulation(game, 0);
  const state = new Float64Array(simulation.stateSize);
  const random = new Seeds(seed).stream('game');
  simulation.start(state, random);
  const [rows, columns, channels] = simulation.observationSpace.shape;
  const observation = new Float32Array(rows * columns * channels);
  return {
    state,
    act: (action: string) => simulation.step(state, Float64Array.of(game.actions.indexOf(action)), random),
    over: () => simulation.terminated(state),
    /** Cells [row, column] where a channel is 1. */
    where(name: string): [number, number][] {
      simulation.observe(state, observation);
      const channel = game.channels.findIndex((c) => c.name === name);
      return Array.from({ length: rows * columns }, (_, i) => i)
        .filter((i) => observation[i * channels + channel] === 1)
        .map((i) => [Math.floor(i / columns), i % columns]);
    },
    text: () => simulation.text!(state),
  };
}

describe('breakout', () => {
  /** One that starts with the ball on the left. */
  const fromLeft = () =>
    [1, 2, 3, 4, 5, 6].map((seed) => player(breakoutGame, seed)).find((p) => p.where('ball')[0][1] === 0)!;

  it('starts with three rows of bricks and the ball at either side', () => {
    const starts = Array.from({ length: 40 }, (_, seed) => player(breakoutGame, seed));
    for (const start of starts) {
      expect(start.where('brick')).toHaveLength(30);
      expect(start.where('paddle')).toEqual([[9, 4]]);
      expect(start.where('trail')).toEqual(start.where('ball'));
    }
    const columns = starts.map((start) => start.where('ball')[0]);
    expect(new Set(columns.map(String))).toEqual(new Set(['3,0', '3,9']));
    expect(starts[0].text().split('\n')[1]).toBe('# # # # # # # # # #');
  });

  it('flies diagonally, is bounced by the paddle and breaks a brick', () => {
    const game = fromLeft();
    const seen: string[] = [];
    let earned = 0;
    // From (3, 0) down to (8, 5); the paddle waits below at column 5.
    game.act('right');
    for (let i = 0; i < 4; i++) game.act('none');
    expect(game.where('ball')).toEqual([[8, 5]]);
    expect(game.where('trail')).toEqual([[7, 4]]);
    // It was above the paddle: it goes on to the right, upwards.
    game.act('none');
    expect(game.where('ball')).toEqual([[8, 6]]);
    while (earned === 0) {
      earned += game.act('none');
      seen.push(String(game.where('ball')[0]));
    }
    // To the wall, where it turns, and to the brick at (3, 8), which sends it back.
    expect(seen).toEqual(['7,7', '6,8', '5,9', '4,9', '4,8']);
    expect(game.where('brick')).toHaveLength(29);
    expect(game.where('brick')).not.toContainEqual([3, 8]);
    expect(game.over()).toBe(false);
  });

  it('goes back where it came from when the paddle comes from the side', () => {
    const game = fromLeft();
    for (let i = 0; i < 5; i++) game.act(i < 2 ? 'right' : 'none');
    expect([game.where('ball'), game.where('paddle')]).toEqual([[[8, 5]], [[9, 6]]]);
    game.act('none');
    expect(game.where('ball')).toEqual([[8, 6]]);
    game.act('none');
    expect(game.where('ball')).toEqual([[7, 5]]);
  });

  it('is over when the ball is missed, and brings bricks back when all are broken', () => {
    const game = fromLeft();
    for (let i = 0; i < 5; i++) game.act('none');
    expect(game.over()).toBe(false);
    game.act('left');
    expect(game.over()).toBe(true);

    const cleared = fromLeft();
    cleared.state.fill(0, 9, 39);
    for (let i = 0; i < 5; i++) cleared.act(i === 0 ? 'right' : 'none');
    expect(cleared.where('brick')).toEqual([]);
    cleared.act('none');
    expect(cleared.where('brick')).toHaveLength(30);
  });
});

describe('freeway', () => {
  it('lets the chicken step every third frame and pays for a crossing', () => {
    const game = player(freewayGame);
    let [earned, frames] = [0, 0];
    const rows: number[] = [];
    while (earned === 0 && frames < 2000) {
      // No cars in the way.
      for (let car = 0; car < 8; car++) game.state[2 + 3 * car] = 0;
      earned += game.act('up');
      rows.push(game.where('chicken')[0][0]);
      frames++;
    }
    expect(earned).toBe(1);
    // It waits 3 frames, then steps in every third; the 9th step arrives and it is back at home.
    expect(frames).toBe(3 + 8 * 3 + 1);
    expect(rows.slice(0, 8)).toEqual([9, 9, 9, 8, 8, 8, 7, 7]);
    expect(rows[rows.length - 1]).toBe(9);
  });

  it('moves a car of speed s in every (s + 1)th frame, its trail behind it, around the edge', () => {
    const game = player(freewayGame, 3);
    const speeds = Array.from({ length: 8 }, (_, car) => game.state[4 + 3 * car]);
    expect(speeds.every((s) => Number.isInteger(s) && s !== 0 && Math.abs(s) <= 5)).toBe(true);
    for (let frame = 1; frame <= 60; frame++) {
      game.act('none');
      const cars = game.where('car');
      speeds.forEach((speed, car) => {
        const moved = Math.floor(frame / (Math.abs(speed) + 1)) * Math.sign(speed);
        const place = ((moved % 10) + 10) % 10;
        expect(cars[car]).toEqual([car + 1, place]);
        const behind = (place - Math.sign(speed) + 10) % 10;
        expect(game.where(`speed${Math.abs(speed)}`)).toContainEqual([car + 1, behind]);
      });
    }
  });

  it('sends the chicken home when a car hits it', () => {
    const game = player(freewayGame);
    // The chicken in lane 8, whose car stands before it and is about to move.
    game.state[0] = 8;
    game.state.set([3, 0, 2], 2 + 3 * 7);
    expect(game.act('none')).toBe(0);
    expect(game.where('chicken')).toEqual([[9, 4]]);
  });
});

describe('space-invaders', () => {
  it('starts with 24 aliens heading left, which step every 13th frame and turn at the edge a row lower', () => {
    const game = player(spaceInvadersGame(true));
    expect(game.where('alien')).toHaveLength(24);
    expect(game.where('alienLeft')).toEqual(game.where('alien'));
    expect(game.where('cannon')).toEqual([[9, 5]]);
    const firsts: string[] = [];
    for (let frame = 1; frame <= 40 && !game.over(); frame++) {
      // Out of the way of their shots.
      game.act('none');
      game.state.fill(0, 207, 307);
      firsts.push(String(game.where('alien')[0]));
    }
    // Moved in the frames 13, 25 and, at the edge, 37: the wait of 12 frames is counted from the move.
    expect(firsts.indexOf('0,1')).toBe(12);
    expect(firsts.indexOf('0,0')).toBe(24);
    expect(firsts.indexOf('1,0')).toBe(36);
    expect(game.where('alienRight')).toHaveLength(24);
  });

  it('shoots every fifth frame, and an alien that is hit pays 1', () => {
    const game = player(spaceInvadersGame(true));
    expect(game.act('fire')).toBe(0);
    expect(game.where('shot')).toEqual([[8, 5]]);
    const earned = Array.from({ length: 6 }, () => game.act('fire'));
    // The lowest alien stands at row 3: five rows further.
    expect(earned).toEqual([0, 0, 0, 0, 1, 0]);
    expect(game.where('alien')).toHaveLength(23);
    expect(game.where('shot')).toEqual([[7, 5]]); // fired in frame 6
  });

  it('is over when the nearest alien’s shot reaches the cannon', () => {
    const game = player(spaceInvadersGame(true));
    const shots: string[] = [];
    let frames = 0;
    while (!game.over()) {
      game.act('none');
      frames++;
      shots.push(game.where('alienShot').join(' '));
    }
    // Shot in frame 11 by the alien above at (3, 5), six rows to fall.
    expect(shots[10]).toBe('3,5');
    expect(frames).toBe(11 + 6);
  });

  it.each([
    [true, 11],
    [false, 12],
  ])('sends a new wave (ramping %s)', (ramping, wait) => {
    const game = player(spaceInvadersGame(ramping));
    // One alien left, above the cannon, with a shot below it.
    game.state.fill(0, 7);
    game.state[7 + 3 * 10 + 5] = 1;
    game.state[107 + 5 * 10 + 5] = 1;
    expect(game.act('none')).toBe(0);
    expect(game.act('none')).toBe(1);
    expect(game.where('alien')).toHaveLength(24);
    expect(game.state[3]).toBe(wait);
  });
});

it('repeats the action before with the probability of sticky actions', () => {
  const simulation = gameSimulation(breakoutGame, 0.25);
  const state = new Float64Array(simulation.stateSize);
  const random = new Seeds(1).stream('game');
  let repeated = 0;
  const trials = 4000;
  for (let i = 0; i < trials; i++) {
    simulation.start(state, random);
    simulation.step(state, Float64Array.of(1), random);
    // The paddle that stayed at 4 did nothing, as before the first action.
    if (state[6] === 4) repeated++;
  }
  // Four standard errors of a binomial.
  expect(Math.abs(repeated / trials - 0.25)).toBeLessThan(4 * Math.sqrt((0.25 * 0.75) / trials));
});
