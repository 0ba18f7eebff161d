import { blankPicture } from '@retort/environments';
import { createFilm, cutTogether } from './film.js';

/** A picture of one color per step. */
const shot = (step: number, width = 2, height = 1) => blankPicture(width, height, [step, 0, 0]);
const filmOf = (steps: number, most: number, ...size: number[]) => {
  const film = createFilm(most);
  for (let step = 0; step < steps; step++) film.add(shot(step, ...size));
  return film;
};
const steps = (frames: { data: Uint8Array }[], at = 0) => frames.map(({ data }) => data[at * 3]);

describe('a film', () => {
  it('keeps every picture of a short episode, and one in two, four … of a longer one', () => {
    const short = filmOf(4, 4);
    expect([short.every, steps(short.frames(1))]).toEqual([1, [0, 1, 2, 3]]);
    const long = filmOf(11, 4);
    expect([long.every, steps(long.frames(4)), steps(long.frames(8))]).toEqual([4, [0, 4, 8], [0, 8]]);
  });
});

describe('films cut together', () => {
  it('run side by side, whoever is done first standing still, episode after episode', () => {
    const { frames, every } = cutTogether(
      [
        [filmOf(3, 9), filmOf(1, 9)],
        [filmOf(1, 9), filmOf(2, 9)],
      ],
      1,
    );
    expect(every).toBe(1);
    expect(frames.map(({ width }) => width)).toEqual(new Array(7).fill(2 + 8 + 2));
    expect(steps(frames)).toEqual([0, 1, 2, 2, 0, 0, 0]);
    expect(steps(frames, 10)).toEqual([0, 0, 0, 0, 0, 1, 1]);
  });

  it('have one pace and one size', () => {
    const { frames, every } = cutTogether([[filmOf(10, 5)], [filmOf(4, 5, 3, 2)]], 0);
    expect(every).toBe(2);
    expect(steps(frames)).toEqual([0, 2, 4, 6, 8, 0, 2]);
    expect(new Set(frames.map(({ width, height }) => `${width} × ${height}`))).toEqual(new Set(['3 × 2']));
  });
});
