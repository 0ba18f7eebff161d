import { z, type Random } from '@retort/core';
import type { Box } from './box.js';

const mixingOptions = {
  probability: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('Share of the samples mixed so. Left out: all, or half where mixup and cut-mix are both listed.'),
};

/** Blends two images and their labels (Zhang et al. 2018, "mixup: beyond empirical risk minimization"). */
export const mixup = z.strictObject({
  use: z.literal('mixup'),
  alpha: z.number().positive().default(0.8).describe("The image's own share is drawn from Beta(alpha, alpha)."),
  ...mixingOptions,
});

/** Puts a box of one image into another and mixes their labels by area (Yun et al. 2019, "CutMix"). */
export const cutMix = z.strictObject({
  use: z.literal('cut-mix'),
  alpha: z.number().positive().default(1).describe('The share that stays is drawn from Beta(alpha, alpha).'),
  ...mixingOptions,
});

export type Mixup = z.output<typeof mixup>;
export type CutMix = z.output<typeof cutMix>;

/** How a sample is mixed with another. */
export interface Mix {
  /** Position of the other sample in the train split. */
  partner: number;
  /** The sample's own share of the label, a float32. */
  share: number;
  /** The box that comes from the other image; undefined when the images are blended. */
  box: Box | undefined;
}

/** Chance of each kind. */
export function mixingChances(mixed: { mixup?: Mixup; cutMix?: CutMix }): { mixup: number; cutMix: number } {
  const standard = mixed.mixup && mixed.cutMix ? 0.5 : 1;
  const chance = (options: Mixup | CutMix | undefined) => (options ? (options.probability ?? standard) : 0);
  return { mixup: chance(mixed.mixup), cutMix: chance(mixed.cutMix) };
}

/**
 * Draws whether and how a sample is mixed.
 *
 * @param samples how many the train split has; the other is any of them, the sample itself included
 * @param shape [H, W]
 * @returns undefined when it is not mixed
 */
export function randomMix(
  random: Random,
  mixed: { mixup?: Mixup; cutMix?: CutMix },
  samples: number,
  shape: readonly number[],
): Mix | undefined {
  const chances = mixingChances(mixed);
  const draw = random.uniform();
  if (draw >= chances.mixup + chances.cutMix) return undefined;
  const partner = random.integer(samples);
  if (draw < chances.mixup) {
    return { partner, share: Math.fround(randomBeta(random, mixed.mixup!.alpha)), box: undefined };
  }
  const box = cutMixBox(random, randomBeta(random, mixed.cutMix!.alpha), shape);
  return { partner, share: Math.fround(1 - (box.height * box.width) / (shape[0] * shape[1])), box };
}

/**
 * A box of the image's proportions around a uniformly drawn pixel, of area 1 − `share` of the image before what overhangs is cut
 * off (Yun et al. 2019, eq. 2).
 */
export function cutMixBox(random: Random, share: number, [height, width]: readonly number[]): Box {
  const side = Math.sqrt(1 - share);
  const along = (length: number) => {
    const half = Math.floor(Math.floor(length * side) / 2);
    const center = random.integer(length);
    const from = Math.max(center - half, 0);
    return [from, Math.min(center + half, length) - from];
  };
  const [top, boxHeight] = along(height);
  const [left, boxWidth] = along(width);
  return { top, left, height: boxHeight, width: boxWidth };
}

/** Mixes another image into one, in place. Both [H, W, 3]. */
export function mixInto(image: Float32Array, other: Float32Array, { share, box }: Mix, width: number): void {
  if (!box) {
    for (let i = 0; i < image.length; i++) image[i] = share * image[i] + (1 - share) * other[i];
    return;
  }
  for (let y = box.top; y < box.top + box.height; y++) {
    const from = (y * width + box.left) * 3;
    image.set(other.subarray(from, from + box.width * 3), from);
  }
}

/** Beta(alpha, alpha): X / (X + Y) of two gamma variables. */
export function randomBeta(random: Random, alpha: number): number {
  const [x, y] = [logOfGamma(random, alpha), logOfGamma(random, alpha)];
  return 1 / (1 + Math.exp(y - x));
}

/**
 * The logarithm of a Gamma(alpha, 1) variable (Marsaglia & Tsang 2000, "A simple method for generating gamma variables"); by
 * logarithms, since small alphas give numbers too small for a float.
 */
function logOfGamma(random: Random, alpha: number): number {
  // Their §6: below 1, Gamma(alpha + 1) · U^(1 / alpha).
  if (alpha < 1) return logOfGamma(random, alpha + 1) + Math.log(positiveUniform(random)) / alpha;
  const d = alpha - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = random.normal();
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(positiveUniform(random)) < 0.5 * x * x + d - d * v + d * Math.log(v)) return Math.log(d * v);
  }
}

function positiveUniform(random: Random): number {
  return (random.bits() + 0.5) / 2 ** 32;
}
