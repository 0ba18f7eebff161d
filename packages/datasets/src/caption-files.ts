import { basename, join } from 'node:path';
import { InputError, messageOf, readInputFile, z, type Split } from '@retort/core';

/** An image and what a caption file says of it. */
export interface CaptionedImage {
  split: Split;
  /** As the file names it, relative to the folder of images. */
  name: string;
  captions: string[];
  /** File and entry, for errors: `dataset_RSITMD.json: images[12]`. */
  entry: string;
}

export const captionLayouts = ['rsitmd', 'rsicd', 'coco', 'lines'] as const;
export type CaptionLayout = (typeof captionLayouts)[number];

/** A path, or one for each split. */
export type PathBySplit = string | { train: string; validation?: string; test: string };

/**
 * Reads captions in one of the layouts in which sets are published. Captions are kept as they are, blank ones too: where images
 * have five each, leaving one out would shift all that follow.
 *
 * - `rsitmd`, `rsicd`: a JSON file, `{ images: [{ filename, split, sentences: [{ raw }] }] }`, splits train, val and test (and
 *   Karpathy's `restval`, which is train; `filepath` before `filename`, where there is one)
 * - `coco`: a JSON file for each split, `{ images: [{ id, file_name }], annotations: [{ image_id, caption }] }`
 * - `lines`: a folder with `train_caps.txt`, a caption a line, and `train_filename.txt`, a line for each image or for each
 *   caption; `val_…` where there are any; `test_…`
 *
 * @param path absolute
 * @throws InputError naming file and entry
 */
export async function readCaptions(layout: CaptionLayout, path: PathBySplit, where: string): Promise<CaptionedImage[]> {
  const images = await readLayout(layout, path, where);
  for (const { captions, entry, name } of images) {
    if (captions.length === 0) throw new InputError(`${entry}: ${name} has no captions`, { where });
  }
  return images;
}

function readLayout(layout: CaptionLayout, path: PathBySplit, where: string): Promise<CaptionedImage[]> {
  if (layout === 'coco') {
    if (typeof path === 'string') {
      throw new InputError('captions: COCO has a file for each split', {
        hints: ['captions: { train: captions_train2017.json, test: captions_val2017.json }, and `images` likewise'],
        where,
      });
    }
    return readCoco(path, where);
  }
  if (typeof path !== 'string') {
    throw new InputError(
      `captions: the layout ${layout} is one ${layout === 'lines' ? 'folder' : 'file'} for all splits`,
      {
        hints: ['give its path'],
        where,
      },
    );
  }
  return layout === 'lines' ? readLines(path, where) : readSentences(path, where);
}

const splitNames: Record<string, Split> = { train: 'train', restval: 'train', val: 'validation', test: 'test' };

const sentencesFile = z.object({
  images: z.array(
    z.object({
      filename: z.string().min(1),
      filepath: z.string().optional(),
      split: z.string(),
      sentences: z.array(z.object({ raw: z.string() })),
    }),
  ),
});

async function readSentences(path: string, where: string): Promise<CaptionedImage[]> {
  const file = basename(path);
  const { images } = await readJson(path, sentencesFile, where);
  return images.map(({ filename, filepath = '', split, sentences }, i) => {
    const entry = `${file}: images[${i}]`;
    if (!(split in splitNames)) {
      throw new InputError(`${entry}: ${filename} is in a split "${split}"`, {
        hints: [`splits are ${Object.keys(splitNames).join(', ')}`],
        where,
      });
    }
    const captions = sentences.map(({ raw }) => raw);
    return { split: splitNames[split], name: join(filepath, filename), captions, entry };
  });
}

const cocoFile = z.object({
  images: z.array(z.object({ id: z.number(), file_name: z.string().min(1) })),
  annotations: z.array(z.object({ image_id: z.number(), caption: z.string() })),
});

async function readCoco(paths: Exclude<PathBySplit, string>, where: string): Promise<CaptionedImage[]> {
  const all: CaptionedImage[] = [];
  for (const split of ['train', 'validation', 'test'] as const) {
    const path = paths[split];
    if (path === undefined) continue;
    const file = basename(path);
    const { images, annotations } = await readJson(path, cocoFile, where);
    const byId = new Map<number, CaptionedImage>();
    for (const [i, { id, file_name: name }] of images.entries()) {
      const entry = `${file}: images[${i}]`;
      const same = byId.get(id);
      if (same) throw new InputError(`${entry}: ${name} has the id ${id} of ${same.name}`, { where });
      byId.set(id, { split, name, captions: [], entry });
    }
    for (const [i, { image_id: id, caption }] of annotations.entries()) {
      const image = byId.get(id);
      if (!image)
        throw new InputError(`${file}: annotations[${i}] is of image ${id}, which is not in images`, { where });
      image.captions.push(caption);
    }
    all.push(...byId.values());
  }
  return all;
}

async function readLines(folder: string, where: string): Promise<CaptionedImage[]> {
  const all: CaptionedImage[] = [];
  for (const [prefix, split] of [
    ['train', 'train'],
    ['val', 'validation'],
    ['test', 'test'],
  ] as const) {
    const [captionFile, nameFile] = [`${prefix}_caps.txt`, `${prefix}_filename.txt`];
    const captions = await linesOf(join(folder, captionFile), where, { optional: split === 'validation' });
    if (!captions) continue;
    const names = (await linesOf(join(folder, nameFile), where))!;
    const blank = names.indexOf('');
    if (blank >= 0) throw new InputError(`${nameFile}:${blank + 1}: a line without a name`, { where });
    // A line for each caption repeats the image's name; with a line for each image, all have equally many captions.
    const perName = captions.length / names.length;
    if (!Number.isInteger(perName)) {
      throw new InputError(
        `${captionFile} has ${captions.length} lines, ${nameFile} ${names.length}: not equally many captions for each image`,
        { hints: ['blank captions count: each is a line of its own'], where },
      );
    }
    const images = new Map<string, CaptionedImage>();
    for (const [i, name] of names.entries()) {
      const known = images.get(name);
      if (known && perName > 1) {
        throw new InputError(`${nameFile}:${i + 1}: ${name} is there already, in a file of a line for each image`, {
          where,
        });
      }
      const image = known ?? { split, name, captions: [], entry: `${nameFile}:${i + 1}` };
      image.captions.push(...captions.slice(i * perName, (i + 1) * perName));
      images.set(name, image);
    }
    all.push(...images.values());
  }
  return all;
}

/** Lines without their ends; blank ones are kept, but for what follows the last end of a line. */
async function linesOf(path: string, where: string, { optional = false } = {}): Promise<string[] | undefined> {
  const bytes = await readInputFile(path, { where }).catch((error: unknown) => {
    const isMissing =
      error instanceof InputError && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
    if (optional && isMissing) return undefined;
    throw error;
  });
  if (!bytes) return undefined;
  const lines = bytes.toString('utf8').split(/\r?\n/);
  if (lines[lines.length - 1] === '') lines.pop();
  if (lines.length === 0) throw new InputError(`${path} is empty`, { where });
  return lines;
}

/** @throws InputError naming the file, and the entry that is not as it should be */
async function readJson<T>(path: string, schema: z.ZodType<T>, where: string): Promise<T> {
  const bytes = await readInputFile(path, { where });
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new InputError(`${path} is not JSON: ${messageOf(error)}`, { where, cause: error });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [{ path: place, message }] = parsed.error.issues;
  const entry = place.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('');
  throw new InputError(`${basename(path)}: ${entry.replace(/^\./, '') || 'the whole'}: ${message}`, { where });
}
