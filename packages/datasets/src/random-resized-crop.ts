import { z, type Random } from '@retort/core';
import { randomBox, type Box } from './box.js';
import { rangeOption } from './range-option.js';

/** A random part of the image scaled up to the whole (Szegedy et al. 2015, "Going deeper with convolutions", §6). */
export const randomResizedCrop = z.strictObject({
  use: z.literal('random-resized-crop'),
  area: rangeOption([0.08, 1], 1).describe('Least and greatest share of the image that is kept.'),
  aspect: rangeOption([3 / 4, 4 / 3]).describe('Least and greatest height over width of what is kept.'),
});

/** The part that is kept: the whole image when ten draws do not fit. */
export function randomPart(
  random: Random,
  [height, width]: readonly number[],
  { area, aspect }: z.output<typeof randomResizedCrop>,
): Box {
  return randomBox(random, [height, width], area, aspect) ?? { top: 0, left: 0, height, width };
}

/**
 * Scales a part of an image to the size of the whole, bilinearly; beyond the part's outermost pixel centers their values go on.
 *
 * @param pixels [H, W, 3]
 * @param out [H, W, 3], another array than `pixels`
 */
export function writePart(
  pixels: Uint8Array,
  [height, width]: readonly number[],
  part: Box,
  out: Uint8ClampedArray,
): void {
  const [stepY, stepX] = [part.height / height, part.width / width];
  for (let y = 0; y < height; y++) {
    const v = Math.min(Math.max((y + 0.5) * stepY - 0.5, 0), part.height - 1);
    const above = Math.floor(v);
    const below = Math.min(above + 1, part.height - 1);
    const down = v - above;
    for (let x = 0; x < width; x++) {
      const u = Math.min(Math.max((x + 0.5) * stepX - 0.5, 0), part.width - 1);
      const left = Math.floor(u);
      const right = Math.min(left + 1, part.width - 1);
      const across = u - left;
      const topLeft = ((part.top + above) * width + part.left + left) * 3;
      const topRight = topLeft + (right - left) * 3;
      const drop = (below - above) * width * 3;
      const to = (y * width + x) * 3;
      for (let c = 0; c < 3; c++) {
        const upper = pixels[topLeft + c] + (pixels[topRight + c] - pixels[topLeft + c]) * across;
        const lower = pixels[topLeft + drop + c] + (pixels[topRight + drop + c] - pixels[topLeft + drop + c]) * across;
        out[to + c] = upper + (lower - upper) * down;
      }
    }
  }
}
