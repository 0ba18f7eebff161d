import { basename, resolve } from 'node:path';
import {
  definePart,
  InputError,
  nearestHint,
  readInputFile,
  sha256,
  z,
  type Dataset,
  type DatasetContext,
} from '@retort/core';
import { augmentOption } from './augmentation.js';
import { cifar100Classes, cifar10Classes } from './cifar-classes.js';
import { imageDataset } from './image-dataset.js';
import { commonOptions, limitOption } from './options.js';
import { textOfClasses, textOptions } from './prompts.js';
import type { Sample } from './split.js';

const SIZE = 32;
const PLANE = SIZE * SIZE;

/** How a CIFAR set is published. */
interface Format {
  classes: string[];
  /** Bytes before the pixels of a row; the last of them is the label that is used. */
  labelBytes: number;
  train: string[];
  test: string[];
  normalization: { mean: number[]; deviation: number[] };
}

const cifar10Format: Format = {
  classes: cifar10Classes,
  labelBytes: 1,
  train: [1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`),
  test: ['test_batch.bin'],
  normalization: { mean: [0.4914, 0.4822, 0.4465], deviation: [0.247, 0.2435, 0.2616] },
};

const cifar100Format: Format = {
  classes: cifar100Classes,
  labelBytes: 2,
  train: ['train.bin'],
  test: ['test.bin'],
  normalization: { mean: [0.5071, 0.4867, 0.4408], deviation: [0.2675, 0.2565, 0.2761] },
};

function optionsOf({ train, test }: Format) {
  return z.strictObject({
    root: z.string().describe('Folder of the .bin files; relative to the manifest.'),
    train: z.array(z.string()).min(1).default(train).describe('Files of the train split, in `root`.'),
    test: z.array(z.string()).min(1).default(test).describe('Files of the test split, in `root`.'),
    sha256: z
      .record(z.string(), z.string())
      .default({})
      .describe('Digests that files must have: file name to hexadecimal.'),
    limit: limitOption,
    ...textOptions,
    ...commonOptions,
    augment: augmentOption(['crop', 'flip']),
  });
}

type CifarOptions = z.output<ReturnType<typeof optionsOf>>;

/** CIFAR-10 from the files of its binary version (Krizhevsky 2009): rows of a label and 3072 planar RGB bytes. */
export const cifar10 = definePart('dataset', {
  name: 'cifar-10',
  summary: '60,000 color images of 10 classes, 32 x 32, from the published .bin files',
  options: optionsOf(cifar10Format),
  create: (options, context) => loadCifar(cifar10Format, options, context),
});

/** CIFAR-100 from the files of its binary version: rows of coarse label, fine label and 3072 planar RGB bytes; fine labels. */
export const cifar100 = definePart('dataset', {
  name: 'cifar-100',
  summary: '60,000 color images of 100 classes, 32 x 32, from the published .bin files',
  options: optionsOf(cifar100Format),
  create: (options, context) => loadCifar(cifar100Format, options, context),
});

async function loadCifar(format: Format, options: CifarOptions, context: DatasetContext): Promise<Dataset> {
  const { train, test, sha256: digests } = options;
  const stray = Object.keys(digests).find((file) => !train.includes(file) && !test.includes(file));
  if (stray !== undefined) {
    throw new InputError(`sha256 names ${stray}, which is in neither train nor test`, {
      hints: [nearestHint(stray, [...train, ...test])],
      where: context.path,
    });
  }
  const read = async (files: string[]) => {
    const parts: Uint8Array[] = [];
    for (const file of files) {
      const path = resolve(context.baseFolder, options.root, file);
      const bytes = await readInputFile(path, { where: context.path, expected: digests[file] });
      parts.push(checkRows(bytes, path, format, context.path));
    }
    return joinRows(parts, format.labelBytes);
  };
  const sources = { train: await read(train), test: await read(test) };

  return imageDataset(
    {
      classes: format.classes,
      imageShape: [SIZE, SIZE, 3],
      normalization: format.normalization,
      content: sha256(sources.train.digest + sources.test.digest),
      train: sources.train.samples,
      test: sources.test.samples,
      text: await textOfClasses(format.classes, options, context),
      pixels: (source, index) => interleave(sources[source].planes(index)),
    },
    options,
    context,
  );
}

/** @throws InputError naming the file when it is truncated or holds a label that is no class */
function checkRows(bytes: Uint8Array, path: string, { labelBytes, classes }: Format, where: string): Uint8Array {
  const rowLength = labelBytes + 3 * PLANE;
  if (bytes.length === 0 || bytes.length % rowLength !== 0) {
    throw new InputError(`${path} has ${bytes.length} bytes, which is no whole number of rows of ${rowLength} bytes`, {
      hints: ['the file is truncated or of another format; fetch it again'],
      where,
    });
  }
  for (let row = 0; row * rowLength < bytes.length; row++) {
    const label = bytes[row * rowLength + labelBytes - 1];
    if (label >= classes.length) {
      throw new InputError(
        `${path}: row ${row} has label ${label}, but the labels of ${classes.length} classes end at ${classes.length - 1}`,
        { hints: [`is ${basename(path)} a file of another set?`], where },
      );
    }
  }
  return bytes;
}

/** The rows of several files, numbered through. */
function joinRows(
  parts: Uint8Array[],
  labelBytes: number,
): { samples: Sample[]; digest: string; planes(index: number): Uint8Array } {
  const rowLength = labelBytes + 3 * PLANE;
  const rows = parts.flatMap((bytes) =>
    Array.from({ length: bytes.length / rowLength }, (_, row) =>
      bytes.subarray(row * rowLength, (row + 1) * rowLength),
    ),
  );
  return {
    samples: rows.map((row, index) => ({ index, label: row[labelBytes - 1] })),
    digest: sha256(parts.map(sha256).join()),
    planes: (index) => rows[index].subarray(labelBytes),
  };
}

/** Planes R, G, B to [32, 32, 3]. */
function interleave(planes: Uint8Array): Uint8Array {
  const pixels = new Uint8Array(3 * PLANE);
  for (let i = 0; i < PLANE; i++) {
    pixels[3 * i] = planes[i];
    pixels[3 * i + 1] = planes[PLANE + i];
    pixels[3 * i + 2] = planes[2 * PLANE + i];
  }
  return pixels;
}
