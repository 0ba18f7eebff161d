import { z, type Random } from '@retort/core';
import { randomBox } from './box.js';
import { rangeOption } from './range-option.js';

/** A random box that says nothing (Zhong et al. 2020, "Random erasing data augmentation", algorithm 1). */
export const randomErasing = z.strictObject({
  use: z.literal('random-erasing'),
  probability: z.number().min(0).max(1).default(0.25).describe('Share of the images that lose a box.'),
  area: rangeOption([0.02, 1 / 3], 1).describe("Least and greatest share of the image's area."),
  aspect: rangeOption([0.3, 1 / 0.3]).describe('Least and greatest height over width.'),
  fill: z
    .enum(['noise', 'mean'])
    .default('noise')
    .describe(
      "What takes the box's place: normal noise with the data set's mean and deviation, cut off at black and white, or the mean.",
    ),
});

/** What a box is filled with: per channel, of pixels in [0, 1]. */
export interface PixelStatistics {
  mean: readonly number[];
  deviation: readonly number[];
}

/** Erases in place. @param image [H, W, 3], in [0, 1] and staying there */
export function erase(
  image: Float32Array,
  [height, width]: readonly number[],
  { probability, area, aspect, fill }: z.output<typeof randomErasing>,
  { mean, deviation }: PixelStatistics,
  random: Random,
): void {
  if (random.uniform() >= probability) return;
  const box = randomBox(random, [height, width], area, aspect);
  if (!box) return;
  for (let y = box.top; y < box.top + box.height; y++) {
    for (let i = (y * width + box.left) * 3; i < (y * width + box.left + box.width) * 3; i++) {
      const noise = fill === 'noise' ? deviation[i % 3] * random.normal() : 0;
      image[i] = Math.min(Math.max(mean[i % 3] + noise, 0), 1);
    }
  }
}
