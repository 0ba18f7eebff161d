import { readdir } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';
import { definePart, InputError, messageOf, Seeds, sha256, z, type Dataset, type DatasetContext } from '@retort/core';
import { augmentOption } from './augmentation.js';
import { imageDataset } from './image-dataset.js';
import { decodeCovering, digestsOf, keepDecoded, statisticsOf } from './image-files.js';
import { cacheOption, commonOptions, limitOption } from './options.js';
import { textOfClasses, textOptions } from './prompts.js';
import { foldByClass, splitByClass, type Sample } from './split.js';

const extensions = ['.jpg', '.jpeg', '.png'];

const options = z.strictObject({
  root: z
    .string()
    .describe(
      'Folder with a folder per class, or with train/ and test/ folders that have them; relative to the manifest.',
    ),
  size: z
    .int()
    .positive()
    .default(64)
    .describe('Height and width that images are scaled to; what overhangs is cut off.'),
  test: z
    .number()
    .gt(0)
    .lt(1)
    .default(0.1)
    .describe('Fraction of every class that becomes the test split where there are no train/ and test/ folders.'),
  folds: z
    .int()
    .min(2)
    .optional()
    .describe(
      'Cross-validation: deals all images, those of train/ and test/ together, into as many parts with equal shares of every ' +
        'class, by `dataSeed`. Part `fold` is the test split, the others the train split.',
    ),
  fold: z.int().nonnegative().default(0).describe('Which of the `folds` is the test split, from 0.'),
  cacheMegabytes: cacheOption,
  limit: limitOption,
  ...textOptions,
  ...commonOptions,
  augment: augmentOption(['crop', 'flip']),
});

/** Any labelled images: class folders of JPEG and PNG files, decoded by libvips' own threads. */
export const imageFolder = definePart('dataset', {
  name: 'image-folder',
  summary: 'JPEG and PNG files in a folder per class',
  options,
  create: loadImageFolder,
});

async function loadImageFolder(
  { root, size, test: testFraction, folds, fold, cacheMegabytes, ...common }: z.output<typeof options>,
  context: DatasetContext,
): Promise<Dataset> {
  checkFold(folds, fold, context.path);
  const folder = resolve(context.baseFolder, root);
  const listed = await listImages(folder, context.path);
  const { classes, files } = listed;
  const isPooled = folds !== undefined || !listed.hasSplits;
  if (isPooled) files.train = files.test = [...files.train, ...files.test];
  const published = files.train.map(({ label }, index) => ({ index, label }));
  const samples = isPooled
    ? ownSplits(published, { testFraction, folds, fold, dataSeed: common.dataSeed }, context.path)
    : { train: published, test: files.test.map(({ label }, index) => ({ index, label })) };

  const decoded = keepDecoded((path) => decodeCovering(path, size, context.path), { size, megabytes: cacheMegabytes });
  const pixels = (source: 'train' | 'test', index: number) => decoded.read(files[source][index].path);

  const dataset = imageDataset(
    {
      classes,
      imageShape: [size, size, 3],
      normalization: await statisticsOf(samples.train, (index) => pixels('train', index)),
      content: await digestOf(folder, isPooled ? files.train : [...files.train, ...files.test], context.path),
      ...samples,
      text: await textOfClasses(classes, common, context),
      pixels,
    },
    common,
    context,
  );
  return { ...dataset, dispose: () => decoded.clear() };
}

/** @throws InputError for a fold that does not exist */
function checkFold(folds: number | undefined, fold: number, where: string): void {
  if (fold === 0 || (folds !== undefined && fold < folds)) return;
  throw new InputError(
    folds === undefined ? `fold: ${fold} without folds` : `fold: ${fold} of ${folds} folds, which are counted from 0`,
    { hints: [folds === undefined ? 'set folds to their number' : `the last one is ${folds - 1}`], where },
  );
}

interface SplitOptions {
  testFraction: number;
  folds: number | undefined;
  fold: number;
  dataSeed: number;
}

/** @throws InputError when the test split comes out empty */
function ownSplits(
  samples: Sample[],
  { testFraction, folds, fold, dataSeed }: SplitOptions,
  where: string,
): Record<'train' | 'test', Sample[]> {
  const seeds = new Seeds(dataSeed);
  const { taken, rest } =
    folds === undefined
      ? splitByClass(samples, testFraction, seeds.within('test'))
      : foldByClass(samples, { folds, fold }, seeds.within('folds'));
  if (taken.length > 0) return { train: rest, test: taken };
  if (folds !== undefined) {
    throw new InputError(`folds: ${folds} of ${samples.length} images leave an empty test split`, { where });
  }
  throw new InputError(`test: ${testFraction} of ${samples.length} images leaves an empty test split`, {
    hints: ['raise it, or sort the images into train/ and test/ folders'],
    where,
  });
}

interface ImageFile {
  path: string;
  label: number;
}

/** Every image below `folder`, sorted by class and file name. */
async function listImages(
  folder: string,
  where: string,
): Promise<{ classes: string[]; files: Record<'train' | 'test', ImageFile[]>; hasSplits: boolean }> {
  const folders = await foldersIn(folder, where);
  if (!folders.includes('train') || !folders.includes('test')) {
    if (folders.length === 0) throw new InputError(`no class folders in ${folder}`, { where });
    return {
      classes: folders,
      files: { train: await filesOf(folder, folders, folders, where), test: [] },
      hasSplits: false,
    };
  }
  const [train, test] = [join(folder, 'train'), join(folder, 'test')];
  const classes = await foldersIn(train, where);
  if (classes.length === 0) throw new InputError(`no class folders in ${train}`, { where });
  const testClasses = await foldersIn(test, where);
  if (testClasses.length === 0) throw new InputError(`no class folders in ${test}`, { where });
  const stray = testClasses.find((name) => !classes.includes(name));
  if (stray !== undefined)
    throw new InputError(`${join(test, stray)} is no class: ${train} has no such folder`, { where });
  return {
    classes,
    files: {
      train: await filesOf(train, classes, classes, where),
      test: await filesOf(test, testClasses, classes, where),
    },
    hasSplits: true,
  };
}

async function foldersIn(folder: string, where: string): Promise<string[]> {
  const entries = await list(folder, where);
  return entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({ name }) => name)
    .sort();
}

async function filesOf(folder: string, names: string[], classes: string[], where: string): Promise<ImageFile[]> {
  const files: ImageFile[] = [];
  for (const name of names) {
    const entries = await list(join(folder, name), where);
    const images = entries
      .map((entry) => entry.name)
      .filter((file) => extensions.includes(extname(file).toLowerCase()) && !file.startsWith('.'))
      .sort();
    if (images.length === 0) {
      throw new InputError(`class folder ${join(folder, name)} has no ${extensions.join(', ')} files`, { where });
    }
    files.push(...images.map((file) => ({ path: join(folder, name, file), label: classes.indexOf(name) })));
  }
  return files;
}

async function list(folder: string, where: string) {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    throw new InputError(`cannot read the folder ${folder}: ${messageOf(error)}`, { where, cause: error });
  }
}

/** Digest over the names and bytes of all files. */
async function digestOf(folder: string, files: ImageFile[], where: string): Promise<string> {
  const paths = files.map(({ path }) => path);
  const digests = await digestsOf(paths, where);
  return sha256(JSON.stringify(paths.map((path, i) => [path.slice(folder.length).replaceAll('\\', '/'), digests[i]])));
}
