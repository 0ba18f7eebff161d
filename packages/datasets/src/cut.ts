import type { Random } from '@retort/core';

/** Where a view of an image is cut from, and whether it is mirrored. */
export interface Cut {
  /** Rows that the cut lies below (above when negative) the image. */
  down: number;
  /** Columns that the cut lies to the right (left when negative) of the image. */
  right: number;
  /** Mirrored left to right, after the cut. */
  flip: boolean;
}

/** Draws a cut: shifts of at most `padding` pixels each way for crop, a fair coin for flip. */
export function randomCut(random: Random, { crop, flip }: { crop: boolean; flip: boolean }, padding: number): Cut {
  return {
    down: crop ? random.integer(2 * padding + 1) - padding : 0,
    right: crop ? random.integer(2 * padding + 1) - padding : 0,
    flip: flip && random.integer(2) === 1,
  };
}

/**
 * The cut nearest to the given one that leaves a box of the image inside.
 *
 * @param box left, top, right, bottom, in pixels, inside the image
 */
export function keepInside(
  { down, right, flip }: Cut,
  [boxLeft, boxTop, boxRight, boxBottom]: readonly number[],
  [height, width]: readonly number[],
): Cut {
  return {
    down: Math.min(Math.max(down, Math.ceil(boxBottom) - height), Math.floor(boxTop)),
    right: Math.min(Math.max(right, Math.ceil(boxRight) - width), Math.floor(boxLeft)),
    flip,
  };
}

/**
 * Writes a cut of an image; what lies outside the image is 0 (black).
 *
 * @param pixels [H, W, 3]
 * @param out [H, W, 3], another array than `pixels`
 */
export function writeCut(
  pixels: Uint8Array | Uint8ClampedArray,
  [height, width]: readonly number[],
  { down, right, flip }: Cut,
  out: Uint8ClampedArray,
): void {
  out.fill(0);
  for (let y = Math.max(0, -down); y < Math.min(height, height - down); y++) {
    for (let x = Math.max(0, -right); x < Math.min(width, width - right); x++) {
      const from = ((y + down) * width + x + right) * 3;
      const to = (y * width + (flip ? width - 1 - x : x)) * 3;
      out[to] = pixels[from];
      out[to + 1] = pixels[from + 1];
      out[to + 2] = pixels[from + 2];
    }
  }
}
