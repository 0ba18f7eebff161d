import type { Random } from '@retort/core';

/** A rectangle inside an image, in pixels. */
export interface Box {
  top: number;
  left: number;
  height: number;
  width: number;
}

/**
 * Draws a box: area uniform, aspect uniform in its logarithm, place uniform. One that is larger than the image is drawn again,
 * ten times at most.
 *
 * @param area least and greatest, as a share of the image
 * @param aspect least and greatest height over width
 * @returns undefined when no draw fits
 */
export function randomBox(
  random: Random,
  [height, width]: readonly number[],
  area: readonly [number, number],
  aspect: readonly [number, number],
): Box | undefined {
  const between = (low: number, high: number) => low + (high - low) * random.uniform();
  for (let attempt = 0; attempt < 10; attempt++) {
    const pixels = between(...area) * height * width;
    const ratio = Math.exp(between(Math.log(aspect[0]), Math.log(aspect[1])));
    const box = { height: Math.round(Math.sqrt(pixels * ratio)), width: Math.round(Math.sqrt(pixels / ratio)) };
    if (box.height < 1 || box.width < 1 || box.height > height || box.width > width) continue;
    return { top: random.integer(height - box.height + 1), left: random.integer(width - box.width + 1), ...box };
  }
  return undefined;
}
