import { stat } from 'node:fs/promises';
import { InputError, messageOf, readInputFile, sha256 } from '@retort/core';
import sharp from 'sharp';
import type { Sample } from './split.js';

/** Files read or decoded at once. */
const FILES_AT_ONCE = 16;
/** Train images behind `normalization`. */
const STATISTICS_SAMPLE = 500;

/** [size, size, 3] bytes: upright, scaled to cover the square, center kept; transparency over black, gray as RGB. */
export async function decodeCovering(path: string, size: number, where: string): Promise<Uint8Array> {
  const bytes = await readInputFile(path, { where });
  try {
    return await sharp(bytes)
      .autoOrient()
      .resize(size, size, { fit: 'cover' })
      .flatten()
      .toColourspace('srgb')
      .raw()
      .toBuffer();
  } catch (error) {
    throw new InputError(`cannot decode the image ${path}: ${messageOf(error)}`, { where, cause: error });
  }
}

/** Where an image lies in the square that it was scaled into: pixels of the square = scale · pixels of the image + offset. */
export interface Fit {
  scale: [number, number];
  offset: [number, number];
  /** Width and height inside the square. */
  inner: [number, number];
}

/** Scales an image so that its longer side is `size`, and puts it in the middle of the square. */
export function fitInside(width: number, height: number, size: number): Fit {
  const scale = size / Math.max(width, height);
  const inner = [width, height].map((length) => Math.max(1, Math.round(length * scale)));
  return {
    inner: [inner[0], inner[1]],
    scale: [inner[0] / width, inner[1] / height],
    offset: [Math.floor((size - inner[0]) / 2), Math.floor((size - inner[1]) / 2)],
  };
}

/**
 * [size, size, 3] bytes: upright, whole, with black borders as {@link fitInside} has them.
 *
 * @throws InputError when the image has not the given width and height
 */
export async function decodeInside(
  path: string,
  { width, height }: { width: number; height: number },
  size: number,
  where: string,
): Promise<Uint8Array> {
  const bytes = await readInputFile(path, { where });
  const { inner, offset } = fitInside(width, height, size);
  try {
    const upright = (await sharp(bytes).metadata()).autoOrient;
    if (upright.width !== width || upright.height !== height) {
      throw new InputError(
        `${path} is ${upright.width} x ${upright.height} pixels, its annotation says ${width} x ${height}`,
        { where },
      );
    }
    return await sharp(bytes)
      .autoOrient()
      .resize(inner[0], inner[1], { fit: 'fill' })
      .flatten()
      .extend({
        left: offset[0],
        top: offset[1],
        right: size - inner[0] - offset[0],
        bottom: size - inner[1] - offset[1],
        background: 'black',
      })
      .toColourspace('srgb')
      .raw()
      .toBuffer();
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`cannot decode the image ${path}: ${messageOf(error)}`, { where, cause: error });
  }
}

/**
 * Keeps decoded images up to a limit. What came first stays: when every image is used once an epoch, replacing would only lower
 * the share that is found.
 */
export function keepDecoded(
  decode: (path: string) => Promise<Uint8Array>,
  { size, megabytes }: { size: number; megabytes: number },
): { read(path: string): Promise<Uint8Array>; clear(): void } {
  const cache = new Map<string, Uint8Array>();
  const room = (megabytes * 2 ** 20) / (size * size * 3);
  return {
    async read(path) {
      const known = cache.get(path);
      if (known) return known;
      const decoded = await decode(path);
      if (cache.size < room) cache.set(path, decoded);
      return decoded;
    },
    clear: () => cache.clear(),
  };
}

/** Mean and deviation per channel of up to {@link STATISTICS_SAMPLE} images, evenly spread over `samples`. */
export async function statisticsOf(
  samples: Sample[],
  read: (index: number) => Promise<Uint8Array>,
): Promise<{ mean: number[]; deviation: number[] }> {
  const count = Math.min(samples.length, STATISTICS_SAMPLE);
  const chosen = Array.from({ length: count }, (_, i) => samples[Math.floor((i * samples.length) / count)].index);
  const sums = new Float64Array(3);
  const squares = new Float64Array(3);
  let values = 0;
  await inGroups(chosen, async (index) => {
    const pixels = await read(index);
    // Whole numbers add up exactly, in whichever order the images arrive.
    for (let i = 0; i < pixels.length; i++) {
      sums[i % 3] += pixels[i];
      squares[i % 3] += pixels[i] ** 2;
    }
    values += pixels.length / 3;
  });
  const mean = Array.from(sums, (sum) => sum / values / 255);
  return {
    mean,
    // At least one step of a byte, since networks divide by it.
    deviation: mean.map((m, c) => Math.max(Math.sqrt(Math.max(squares[c] / values / 255 ** 2 - m * m, 0)), 1 / 255)),
  };
}

/** Digests of the bytes of files, in order. */
export function digestsOf(paths: readonly string[], where: string): Promise<string[]> {
  return inGroups(paths, async (path) => sha256(await readInputFile(path, { where })));
}

/** Positions of the paths at which there is no file. */
export async function missingAmong(paths: readonly string[]): Promise<number[]> {
  const isThere = await inGroups(paths, (path) =>
    stat(path).then(
      (found) => found.isFile(),
      () => false,
    ),
  );
  return isThere.flatMap((there, i) => (there ? [] : [i]));
}

/** Maps in order, {@link FILES_AT_ONCE} at a time. */
export async function inGroups<T, R>(items: readonly T[], body: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let i = 0; i < items.length; i += FILES_AT_ONCE) {
    results.push(...(await Promise.all(items.slice(i, i + FILES_AT_ONCE).map(body))));
  }
  return results;
}
