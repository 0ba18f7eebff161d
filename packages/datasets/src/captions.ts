import { join, resolve } from 'node:path';
import {
  definePart,
  InputError,
  partReference,
  sha256,
  z,
  type Dataset,
  type DatasetContext,
  type Split,
} from '@retort/core';
import { augmentOption } from './augmentation.js';
import { captionLayouts, readCaptions, type CaptionedImage, type PathBySplit } from './caption-files.js';
import { imageDataset } from './image-dataset.js';
import { decodeCovering, digestsOf, keepDecoded, missingAmong, statisticsOf } from './image-files.js';
import { cacheOption, limitOption } from './options.js';
import { noLabelOptions, unlabelledOptions } from './unlabelled-options.js';

const pathBySplit = z.union(
  [z.string(), z.strictObject({ train: z.string(), validation: z.string().optional(), test: z.string() })],
  { error: 'expected a path, or { train, test } with paths and perhaps validation' },
);

const options = z.strictObject({
  layout: z
    .enum(captionLayouts)
    .describe(
      'How the captions are written: rsitmd and rsicd (a JSON file of images with split and sentences), coco (a JSON file of images ' +
        'and annotations for each split), lines (a folder of train_caps.txt, train_filename.txt and so on, a caption a line).',
    ),
  captions: pathBySplit.describe(
    'The caption file, for lines its folder, for coco { train, test } with files; relative to the manifest.',
  ),
  images: pathBySplit.describe('Folder of the images, or { train, test } with folders; relative to the manifest.'),
  captionsPerImage: z
    .int()
    .positive()
    .optional()
    .describe('How many captions every image must have. Left out: any number from one on.'),
  size: z
    .int()
    .positive()
    .default(64)
    .describe('Height and width that images are scaled to; what overhangs is cut off.'),
  cacheMegabytes: cacheOption,
  tokenizer: partReference('tokenizer').prefault({ use: 'words' }).describe('Turns captions into ids.'),
  limit: limitOption,
  ...unlabelledOptions,
  validation: unlabelledOptions.validation.describe(
    'Fraction of the train split held out for validation where the captions have no validation split; 0 for none.',
  ),
  augment: augmentOption(['crop']),
});

/**
 * Images with captions, in the layouts of RSITMD, RSICD and COCO. Train batches have one caption of each image, validation and test
 * batches all of them. `flip` is not among the default augmentations, since captions speak of left and right.
 */
export const captions = definePart('dataset', {
  name: 'captions',
  summary: 'images with captions, in the layouts of RSITMD, RSICD and COCO, or one caption a line',
  options,
  create: loadCaptions,
});

async function loadCaptions(
  {
    layout,
    captions: captionPath,
    images: imagePath,
    captionsPerImage,
    size,
    cacheMegabytes,
    tokenizer: reference,
    ...common
  }: z.output<typeof options>,
  context: DatasetContext,
): Promise<Dataset> {
  const { baseFolder, path: where, scope } = context;
  const images = await readCaptions(layout, resolved(captionPath, baseFolder), where);
  checkCounts(images, captionsPerImage, where);
  const folders = resolved(imagePath, baseFolder);
  const paths = images.map(({ split, name }) => join(folderOf(folders, split, where), name));
  await checkPaths(images, paths, where);

  const texts = images.flatMap((image) => image.captions);
  const tokenizer = await scope.create(reference, { texts, baseFolder, path: reference.path });
  const samplesOf = (split: Split) =>
    images.flatMap((image, index) => (image.split === split ? [{ index, label: 0 }] : []));
  const samples = { train: samplesOf('train'), test: samplesOf('test') };
  const validation = samplesOf('validation');
  for (const [split, { length }] of Object.entries(samples)) {
    if (length === 0) throw new InputError(`the captions have no ${split} images`, { where });
  }
  const decoded = keepDecoded((path) => decodeCovering(path, size, where), { size, megabytes: cacheMegabytes });
  const pixels = (index: number) => decoded.read(paths[index]);

  const dataset = imageDataset(
    {
      classes: [],
      imageShape: [size, size, 3],
      normalization: await statisticsOf(samples.train, pixels),
      content: sha256(JSON.stringify([images, await digestsOf(paths, where)])),
      ...samples,
      ...(validation.length > 0 && { validation }),
      text: { tokenizer, prompts: [] },
      captions: (_, index) => images[index].captions,
      pixels: (_, index) => pixels(index),
    },
    { ...common, ...noLabelOptions },
    context,
  );
  return { ...dataset, dispose: () => decoded.clear() };
}

function resolved(path: PathBySplit, baseFolder: string): PathBySplit {
  if (typeof path === 'string') return resolve(baseFolder, path);
  return Object.fromEntries(
    Object.entries(path).map(([split, each]) => [split, resolve(baseFolder, each)]),
  ) as PathBySplit;
}

function folderOf(folders: PathBySplit, split: Split, where: string): string {
  const folder = typeof folders === 'string' ? folders : folders[split];
  if (folder === undefined) {
    throw new InputError('images: the captions have a validation split, images names no folder for it', { where });
  }
  return folder;
}

function checkCounts(images: CaptionedImage[], asked: number | undefined, where: string): void {
  const odd = asked === undefined ? undefined : images.find((image) => image.captions.length !== asked);
  if (odd) {
    throw new InputError(`${odd.entry}: ${odd.name} has ${odd.captions.length} captions, not ${asked}`, {
      hints: ['leave captionsPerImage out to take any number'],
      where,
    });
  }
}

/** @throws InputError for images that are named twice or are not there */
async function checkPaths(images: CaptionedImage[], paths: string[], where: string): Promise<void> {
  const first = new Map<string, number>();
  for (const [i, path] of paths.entries()) {
    const before = first.get(path);
    if (before !== undefined) {
      throw new InputError(`${images[i].entry}: ${images[i].name} is there already, as ${images[before].entry}`, {
        where,
      });
    }
    first.set(path, i);
  }
  const missing = await missingAmong(paths);
  if (missing.length > 0) {
    const { entry, name } = images[missing[0]];
    throw new InputError(`${entry}: no image ${paths[missing[0]]}`, {
      hints: [
        missing.length === 1
          ? `all others are there`
          : `${missing.length} of ${images.length} images are not there, ${name} is the first`,
      ],
      where,
    });
  }
}
