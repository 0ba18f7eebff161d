import { z, type Random } from '@retort/core';
import * as image from './image-operations.js';
import type { Canvas } from './image-operations.js';

/** The magnitude at which operations are strongest. */
const STRONGEST = 10;

/** A few random operations of one strength (Cubuk et al. 2020, "RandAugment"). */
export const randAugment = z.strictObject({
  use: z.literal('rand-augment'),
  operations: z
    .int()
    .positive()
    .default(2)
    .describe("Operations an image goes through, drawn anew each (the paper's N)."),
  magnitude: z.number().min(0).max(STRONGEST).default(9).describe("How strong they are, 0 to 10 (the paper's M)."),
  deviation: z
    .number()
    .nonnegative()
    .default(0)
    .describe("Deviation of the magnitude, which is then drawn for every operation; DeiT's is 0.5."),
  probability: z
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe("Chance that an operation drawn is carried out; DeiT's is 0.5."),
});

/**
 * The paper's operations over the ranges of AutoAugment (Cubuk et al. 2019, table 6), all the stronger the greater the strength.
 *
 * @param strength in [0, 1]
 * @param sign 1 or −1, for those that go either way
 */
export const operations: Record<string, (canvas: Canvas, strength: number, sign: number) => void> = {
  identity: () => {},
  'auto-contrast': (canvas) => image.autoContrast(canvas),
  equalize: (canvas) => image.equalize(canvas),
  rotate: (canvas, strength, sign) => image.rotate(canvas, (sign * strength * Math.PI) / 6),
  solarize: (canvas, strength) => image.solarize(canvas, 256 * (1 - strength)),
  color: (canvas, strength, sign) => image.color(canvas, 1 + sign * 0.9 * strength),
  posterize: (canvas, strength) => image.posterize(canvas, 8 - Math.round(4 * strength)),
  contrast: (canvas, strength, sign) => image.contrast(canvas, 1 + sign * 0.9 * strength),
  brightness: (canvas, strength, sign) => image.brightness(canvas, 1 + sign * 0.9 * strength),
  sharpness: (canvas, strength, sign) => image.sharpness(canvas, 1 + sign * 0.9 * strength),
  'shear-x': (canvas, strength, sign) => image.shearX(canvas, sign * 0.3 * strength),
  'shear-y': (canvas, strength, sign) => image.shearY(canvas, sign * 0.3 * strength),
  // Whole pixels, so that a shift does not blur.
  'translate-x': (canvas, strength, sign) =>
    image.translate(canvas, sign * Math.round(0.45 * strength * canvas.width), 0),
  'translate-y': (canvas, strength, sign) =>
    image.translate(canvas, 0, sign * Math.round(0.45 * strength * canvas.height)),
};

const list = Object.values(operations);

/** Carries out random operations in place. */
export function augmentRandomly(
  canvas: Canvas,
  { operations: count, magnitude, deviation, probability }: z.output<typeof randAugment>,
  random: Random,
): void {
  for (let i = 0; i < count; i++) {
    const operation = list[random.integer(list.length)];
    const isDone = random.uniform() < probability;
    const sign = random.integer(2) === 0 ? 1 : -1;
    const drawn = deviation > 0 ? magnitude + deviation * random.normal() : magnitude;
    if (isDone) operation(canvas, Math.min(Math.max(drawn, 0), STRONGEST) / STRONGEST, sign);
  }
}
