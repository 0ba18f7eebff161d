import type { Picture } from '@retort/core';
import { blankPicture, sideBySide } from '@retort/environments';

/** Pictures of an episode, thinned so that their number stays bounded however long it lasts. */
export interface Film {
  add(picture: Picture): void;
  /** Pictures between two that are kept. */
  readonly every: number;
  /** Those kept when one in `every` is; a multiple of the film's own. */
  frames(every: number): Picture[];
}

/** @param most pictures that are kept at a time */
export function createFilm(most: number): Film {
  let every = 1;
  let seen = 0;
  let kept: Picture[] = [];
  return {
    get every() {
      return every;
    },
    add(picture) {
      if (seen++ % every > 0) return;
      kept.push(picture);
      if (kept.length <= most) return;
      kept = kept.filter((_, i) => i % 2 === 0);
      every *= 2;
    },
    frames: (wanted) => kept.filter((_, i) => i % (wanted / every) === 0),
  };
}

/**
 * Episodes one after the other, those of several players side by side; whoever is done first stands still until the others are.
 *
 * @param films [episode][player], at least one of each
 * @param pause frames that stand still at the end of an episode
 * @returns frames of one size, and how many steps lie between two
 */
export function cutTogether(films: readonly (readonly Film[])[], pause: number): { frames: Picture[]; every: number } {
  const every = Math.max(...films.flat().map((film) => film.every));
  const frames = films.flatMap((players) => {
    const strips = players.map((film) => film.frames(every));
    const length = Math.max(...strips.map((strip) => strip.length)) + pause;
    return Array.from({ length }, (_, i) => sideBySide(strips.map((strip) => strip[Math.min(i, strip.length - 1)])));
  });
  // Environments whose pictures change their size.
  const [width, height] = [Math.max(...frames.map((one) => one.width)), Math.max(...frames.map((one) => one.height))];
  return { frames: frames.map((one) => enlarged(one, width, height)), every };
}

function enlarged(picture: Picture, width: number, height: number): Picture {
  if (picture.width === width && picture.height === height) return picture;
  const whole = blankPicture(width, height);
  for (let y = 0; y < picture.height; y++) {
    whole.data.set(picture.data.subarray(y * picture.width * 3, (y + 1) * picture.width * 3), y * width * 3);
  }
  return whole;
}
