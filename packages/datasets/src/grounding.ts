import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import {
  definePart,
  InputError,
  partReference,
  readInputFile,
  Seeds,
  sha256,
  z,
  type Dataset,
  type DatasetContext,
} from '@retort/core';
import { augmentOption } from './augmentation.js';
import { imageDataset } from './image-dataset.js';
import { decodeInside, digestsOf, fitInside, keepDecoded, missingAmong, statisticsOf } from './image-files.js';
import { cacheOption, limitOption } from './options.js';
import { readPhrasedObjects, type PhrasedObject } from './phrase-annotations.js';
import { splitByClass, type Sample } from './split.js';
import { noLabelOptions, unlabelledOptions } from './unlabelled-options.js';

const options = z.strictObject({
  root: z.string().describe('Folder of the set; relative to the manifest.'),
  images: z.string().default('JPEGImages').describe('Folder of the images in it.'),
  annotations: z.string().default('Annotations').describe('Folder of the XML files in it.'),
  splits: z
    .string()
    .default('.')
    .describe(
      'Folder in it with train.txt, test.txt and, where there is a validation split, val.txt: an object number a line.',
    ),
  size: z.int().positive().default(224).describe('Height and width; images are scaled to fit, with black borders.'),
  cacheMegabytes: cacheOption,
  tokenizer: partReference('tokenizer').prefault({ use: 'words' }).describe('Turns phrases into ids.'),
  limit: limitOption,
  ...unlabelledOptions,
  validation: unlabelledOptions.validation.describe(
    "Fraction of the train split's images held out for validation where there is no val.txt; 0 for none.",
  ),
  augment: augmentOption([]),
});

/**
 * Phrases and the boxes of what they name, in the layout of DIOR-RSVG (Zhan, Xiong & Yuan 2023, "RSVG: Exploring data and models for
 * visual grounding on remote sensing data"). A sample is an object: its number counts all objects from 0, by the sorted names of
 * the XML files and in the order of the file. The published splits are such numbers.
 */
export const grounding = definePart('dataset', {
  name: 'grounding',
  summary: "phrases and boxes in VOC's XML, as in DIOR-RSVG",
  options,
  create: loadGrounding,
});

async function loadGrounding(
  {
    root,
    images: imageFolder,
    annotations,
    splits: splitFolder,
    size,
    cacheMegabytes,
    tokenizer: reference,
    ...common
  }: z.output<typeof options>,
  context: DatasetContext,
): Promise<Dataset> {
  const { baseFolder, path: where, scope } = context;
  const folder = resolve(baseFolder, root);
  const objects = await readPhrasedObjects(join(folder, annotations), where);
  const splits = await readSplits(join(folder, splitFolder), objects.length, where);
  const { train, validation } = splits.validation
    ? { train: splits.train, validation: splits.validation }
    : holdOut(splits.train, objects, common, where);
  const samples = { train, validation, test: splits.test };
  const used = Object.values(samples).flat();

  const pathOf = ({ image }: PhrasedObject) => join(folder, imageFolder, image);
  const paths = [...new Set(used.map(({ index }) => pathOf(objects[index])))];
  const missing = await missingAmong(paths);
  if (missing.length > 0) {
    const first = paths[missing[0]];
    const { entry } = objects[used.find(({ index }) => pathOf(objects[index]) === first)!.index];
    throw new InputError(`${entry}: no image ${first}`, {
      hints: [`${missing.length} of ${paths.length} images are not there`],
      where,
    });
  }
  const sizes = new Map(objects.map((object) => [pathOf(object), object]));
  const decoded = keepDecoded((path) => decodeInside(path, sizes.get(path)!, size, where), {
    size,
    megabytes: cacheMegabytes,
  });
  const pixels = (index: number) => decoded.read(pathOf(objects[index]));
  const tokenizer = await scope.create(reference, {
    texts: used.map(({ index }) => objects[index].phrase),
    baseFolder,
    path: reference.path,
  });

  const dataset = imageDataset(
    {
      classes: [],
      imageShape: [size, size, 3],
      normalization: await statisticsOf(train, pixels),
      content: sha256(JSON.stringify([objects, await digestsOf(paths, where)])),
      ...samples,
      text: { tokenizer, prompts: [] },
      captions: (_, index) => [objects[index].phrase],
      located: (_, index) => ({ box: boxInside(objects[index], size) }),
      pixels: (_, index) => pixels(index),
    },
    { ...common, ...noLabelOptions },
    context,
  );
  return { ...dataset, dispose: () => decoded.clear() };
}

/** The box in the square that the image is scaled into, in pixels of that. */
function boxInside({ box, width, height }: PhrasedObject, size: number): [number, number, number, number] {
  const { scale, offset, inner } = fitInside(width, height, size);
  // Rounding must not carry it over the edge.
  const [left, top, right, bottom] = box.map(
    (value, i) => offset[i % 2] + Math.min(value * scale[i % 2], inner[i % 2]),
  );
  return [left, top, right, bottom];
}

/** Holds out whole images: objects of one image are not strangers to each other. */
function holdOut(
  objectsOfTrain: Sample[],
  objects: PhrasedObject[],
  { validation: fraction, dataSeed }: { validation: number; dataSeed: number },
  where: string,
): { train: Sample[]; validation: Sample[] } {
  const names = [...new Set(objectsOfTrain.map(({ index }) => objects[index].image))];
  const seeds = new Seeds(dataSeed).within('validation');
  const { taken } = splitByClass(
    names.map((_, index) => ({ index, label: 0 })),
    fraction,
    seeds,
  );
  if (fraction > 0 && taken.length === 0) {
    throw new InputError(`validation: ${fraction} of ${names.length} train images leaves an empty validation split`, {
      hints: ['raise it, or set it to 0 to go without a validation split'],
      where,
    });
  }
  const held = new Set(taken.map(({ index }) => names[index]));
  const isHeld = ({ index }: Sample) => held.has(objects[index].image);
  return {
    train: objectsOfTrain.filter((sample) => !isHeld(sample)),
    validation: objectsOfTrain.filter(isHeld),
  };
}

/** @throws InputError for numbers that are of no object, or come up twice */
async function readSplits(
  folder: string,
  objects: number,
  where: string,
): Promise<{ train: Sample[]; validation?: Sample[]; test: Sample[] }> {
  const seen = new Map<number, string>();
  async function samplesOf(file: string): Promise<Sample[]> {
    const lines = (await readInputFile(join(folder, file), { where })).toString('utf8').trim().split(/\r?\n/);
    return lines.map((line, i) => {
      const entry = `${basename(file)}:${i + 1}`;
      const index = Number(line);
      if (!/^\d+\s*$/.test(line)) throw new InputError(`${entry}: "${line}" is no object number`, { where });
      if (index >= objects) {
        throw new InputError(`${entry}: object ${index}, but the annotations have objects 0 to ${objects - 1}`, {
          where,
        });
      }
      const before = seen.get(index);
      if (before !== undefined) throw new InputError(`${entry}: object ${index} is in ${before} already`, { where });
      seen.set(index, entry);
      return { index, label: 0 };
    });
  }
  return {
    train: await samplesOf('train.txt'),
    ...(existsSync(join(folder, 'val.txt')) && { validation: await samplesOf('val.txt') }),
    test: await samplesOf('test.txt'),
  };
}
