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
  const rows = placesAlong(height, part.top, part.height);
  const columns = placesAlong(width, part.left, part.width);
  for (let y = 0, to = 0; y < height; y++) {
    const above = rows.first[y] * width;
    const below = rows.second[y] * width;
    const down = rows.weight[y];
    for (let x = 0; x < width; x++) {
      const left = columns.first[x];
      const right = columns.second[x];
      const across = columns.weight[x];
      for (let c = 0; c < 3; c++) {
        const topLeft = pixels[(above + left) * 3 + c];
        const bottomLeft = pixels[(below + left) * 3 + c];
        const upper = topLeft + (pixels[(above + right) * 3 + c] - topLeft) * across;
        const lower = bottomLeft + (pixels[(below + right) * 3 + c] - bottomLeft) * across;
        out[to++] = upper + (lower - upper) * down;
      }
    }
  }
}

/** Along one axis: the two pixels between which each place of the result lies, and the weight of the second. */
function placesAlong(length: number, start: number, partLength: number) {
  const first = new Int32Array(length);
  const second = new Int32Array(length);
  const weight = new Float64Array(length);
  for (let i = 0; i < length; i++) {
    const place = Math.min(Math.max(((i + 0.5) * partLength) / length - 0.5, 0), partLength - 1);
    const low = Math.floor(place);
    first[i] = start + low;
    second[i] = start + Math.min(low + 1, partLength - 1);
    weight[i] = place - low;
  }
  return { first, second, weight };
}
