import { InputError, type Random, type Seeds } from '@retort/core';
import type { Augmentation } from './augmentation.js';
import { keepInside, randomCut, writeCut, type Cut } from './cut.js';
import type { Canvas } from './image-operations.js';
import { mixingChances, randomMix, type Mix } from './mixing.js';
import { augmentRandomly } from './rand-augment.js';
import { erase, type PixelStatistics } from './random-erasing.js';
import { randomPart, writePart } from './random-resized-crop.js';

/** Makes views of a train sample: functions of the run's seed, the number of the view and that of the sample. */
export interface Augmenter {
  /** Whether samples may be mixed with others. */
  mixes: boolean;
  /**
   * Writes a view of a sample's image, before mixing.
   *
   * @param pixels [H, W, 3] bytes
   * @param view from 0
   * @param out [H, W, 3], in [0, 1]
   * @param kept left, top, right and bottom, in pixels, of what crop's shift must leave inside
   * @returns the cut of crop and flip
   */
  write(pixels: Uint8Array, view: number, index: number, out: Float32Array, kept?: readonly number[]): Cut;
  /** What the view is mixed with: the same view of another of `samples`; undefined when it is not. */
  mix(view: number, index: number, samples: number): Mix | undefined;
}

/** @throws InputError for augmentations that exclude each other or do not suit the images */
export function createAugmenter(
  { augment, padding }: { augment: readonly Augmentation[]; padding: number },
  { imageShape, normalization }: { imageShape: readonly number[]; normalization: PixelStatistics },
  seeds: Seeds,
  path: string,
): Augmenter {
  const [height, width] = imageShape;
  checkAugment(augment, padding, height, width, path);
  const withOptions = <Use extends Named['use']>(use: Use) =>
    augment.find((item): item is Extract<Named, { use: Use }> => typeof item !== 'string' && item.use === use);
  const [crop, flip] = [augment.includes('crop'), augment.includes('flip')];
  const resizedCrop = withOptions('random-resized-crop');
  const randAugment = withOptions('rand-augment');
  const erasing = withOptions('random-erasing');
  const mixed = { mixup: withOptions('mixup'), cutMix: withOptions('cut-mix') };
  const chances = mixingChances(mixed);
  if (chances.mixup + chances.cutMix > 1) {
    throw new InputError(
      `augment: the probabilities of mixup (${chances.mixup}) and cut-mix (${chances.cutMix}) add up to more than 1`,
      { hints: ['a sample is mixed in one way at most; leave them out for half and half'], where: path },
    );
  }
  const canvas: Canvas = {
    pixels: new Uint8ClampedArray(height * width * 3),
    scratch: new Uint8ClampedArray(height * width * 3),
    height,
    width,
    fill: normalization.mean.map((value) => Math.round(255 * value)),
  };

  function cut(pixels: Uint8Array, random: Random, kept: readonly number[] | undefined): Cut {
    const any = randomCut(random, { crop, flip }, padding);
    const drawn = kept ? keepInside(any, kept, imageShape) : any;
    if (!resizedCrop) {
      writeCut(pixels, imageShape, drawn, canvas.pixels);
      return drawn;
    }
    writePart(pixels, imageShape, randomPart(random, imageShape, resizedCrop), canvas.scratch);
    writeCut(canvas.scratch, imageShape, drawn, canvas.pixels);
    return drawn;
  }

  return {
    mixes: mixed.mixup !== undefined || mixed.cutMix !== undefined,
    write(pixels, view, index, out, kept) {
      const random = seeds.at('augment', view, index);
      const drawn = cut(pixels, random, kept);
      if (randAugment) augmentRandomly(canvas, randAugment, random);
      writeFloats(canvas.pixels, out);
      if (erasing) erase(out, imageShape, erasing, normalization, random);
      return drawn;
    },
    mix: (view, index, samples) => randomMix(seeds.at('mix', view, index), mixed, samples, imageShape),
  };
}

type Named = Exclude<Augmentation, string>;

function checkAugment(
  augment: readonly Augmentation[],
  padding: number,
  height: number,
  width: number,
  path: string,
): void {
  const uses = augment.map((item) => (typeof item === 'string' ? item : item.use));
  const twice = augment.find((item, i) => typeof item !== 'string' && uses.indexOf(item.use) < i);
  if (twice) {
    throw new InputError(`augment: ${(twice as Named).use} is listed twice`, { where: path });
  }
  if (uses.includes('crop') && uses.includes('random-resized-crop')) {
    throw new InputError('augment: crop and random-resized-crop are two ways to cut', {
      hints: ['keep one of them'],
      where: path,
    });
  }
  if (uses.includes('crop') && padding >= Math.min(height, width)) {
    throw new InputError(`padding: ${padding} lets crop miss the image, which is ${height} x ${width}`, {
      hints: [`it must be less than ${Math.min(height, width)}; a small part of the image is usual, 4 for 32 x 32`],
      where: path,
    });
  }
}

/** Bytes to floats in [0, 1]. */
export function writeFloats(pixels: Uint8Array | Uint8ClampedArray, out: Float32Array): void {
  for (let i = 0; i < pixels.length; i++) out[i] = pixels[i] / 255;
}
