import type { Random } from '@retort/core';

/** Where a view of an image is cut from, and whether it is mirrored. */
export interface View {
  /** Rows that the cut lies below (above when negative) the image. */
  down: number;
  /** Columns that the cut lies to the right (left when negative) of the image. */
  right: number;
  /** Mirrored left to right, after the cut. */
  flip: boolean;
}

export const plainView: View = { down: 0, right: 0, flip: false };

/** Draws a view: shifts of at most `padding` pixels each way for crop, a fair coin for flip. */
export function randomView(random: Random, augment: readonly ('crop' | 'flip')[], padding: number): View {
  const crop = augment.includes('crop');
  return {
    down: crop ? random.integer(2 * padding + 1) - padding : 0,
    right: crop ? random.integer(2 * padding + 1) - padding : 0,
    flip: augment.includes('flip') && random.integer(2) === 1,
  };
}

/**
 * Writes a view of an image as floats in [0, 1]; what lies outside the image is 0 (black).
 *
 * @param pixels [H, W, 3], 0 to 255
 * @param out receives H · W · 3 values from `offset` on; they must be 0 before
 */
export function writeView(
  pixels: Uint8Array,
  [height, width]: readonly number[],
  { down, right, flip }: View,
  out: Float32Array,
  offset: number,
): void {
  for (let y = Math.max(0, -down); y < Math.min(height, height - down); y++) {
    for (let x = Math.max(0, -right); x < Math.min(width, width - right); x++) {
      const from = ((y + down) * width + x + right) * 3;
      const to = offset + (y * width + (flip ? width - 1 - x : x)) * 3;
      out[to] = pixels[from] / 255;
      out[to + 1] = pixels[from + 1] / 255;
      out[to + 2] = pixels[from + 2] / 255;
    }
  }
}
