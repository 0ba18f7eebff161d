import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Dataset, InputError, messageOf } from '@retort/core';

interface CacheSize {
  sizes: Dataset['sizes'];
  views: number;
  recordBytes: number;
  headerBytes: number;
  /** Of a text's record, where texts are kept: how many there are is not known before they come. */
  textBytes?: number;
}

/** Bytes that the caches of one run will need, by folder: each is told of the others, though none has written yet. */
const promised = new WeakMap<Dataset, Map<string, number>>();

/**
 * Refuses a cache that would not fit, before anything is written.
 *
 * @param folder of this teacher's cache; those of other teachers and runs lie beside it
 * @param maxBytes what all of them together may take
 * @returns a line for people: how large it will be, and of what
 * @throws InputError with the size, what takes it, and what to change
 */
export async function checkCacheSize(
  folder: string,
  { sizes, views, recordBytes, headerBytes, textBytes }: CacheSize,
  { teacherId, dataset, maxBytes, where }: { teacherId: string; dataset: Dataset; maxBytes: number; where: string },
): Promise<string> {
  const evaluated = sizes.validation + sizes.test;
  const files = views + Number(sizes.validation > 0) + Number(sizes.test > 0);
  const total = (sizes.train * views + evaluated) * recordBytes + files * headerBytes;
  const ofRun = promised.get(dataset) ?? new Map<string, number>();
  promised.set(dataset, ofRun.set(folder, total));
  const parent = dirname(folder);
  const { ofThisRun, ofOthers } = await bytesTaken(parent, dataset, where);
  const sum =
    `${counted(sizes.train, 'sample')} × ${counted(views, 'view')} and ${evaluated.toLocaleString('en')} to evaluate, ` +
    `${counted(recordBytes, 'byte')} each${textBytes === undefined ? '' : `; ${counted(textBytes, 'byte')} a text beside`}`;
  if (ofThisRun + ofOthers > maxBytes) {
    throw new InputError(
      `the outputs of teacher "${teacherId}" take ${byteText(total)} (${sum}); ${parent} would grow to ` +
        `${byteText(ofThisRun + ofOthers)}, over maxBytes, ${byteText(maxBytes)}`,
      {
        hints: [
          ...(ofThisRun > total ? [`${byteText(ofThisRun - total)} of that are other teachers'`] : []),
          ...(ofOthers > 0 ? [`${byteText(ofOthers)} of that are other runs': delete what is not needed there`] : []),
          'precision: float16 or int8, topLogits, a list of outputs, or fewer dataset.views need less; maxBytes allows more',
        ],
        where,
      },
    );
  }
  return `${byteText(total)} (${sum})`;
}

/**
 * @param folder of a teacher's cache
 * @returns bytes that maxBytes leaves beside what this run's images and other runs take
 */
export async function roomForTexts(
  folder: string,
  { dataset, maxBytes, where }: { dataset: Dataset; maxBytes: number; where: string },
): Promise<number> {
  const { ofThisRun, ofOthers } = await bytesTaken(dirname(folder), dataset, where);
  return maxBytes - ofThisRun - ofOthers;
}

/** Bytes that this run's caches will take in a folder, and bytes that others have there. */
async function bytesTaken(
  parent: string,
  dataset: Dataset,
  where: string,
): Promise<{ ofThisRun: number; ofOthers: number }> {
  const ofRun = promised.get(dataset) ?? new Map<string, number>();
  return {
    ofThisRun: [...ofRun.values()].reduce((sum, bytes) => sum + bytes, 0),
    ofOthers: await bytesIn(parent, ofRun, where),
  };
}

/** Bytes on the disk of the folders in `parent`, but for those listed. Holes in files take none. */
async function bytesIn(parent: string, without: ReadonlyMap<string, unknown>, where: string): Promise<number> {
  const entries = await readdir(parent, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new InputError(`teachers' outputs cannot be kept in ${parent}: ${messageOf(error)}`, {
      hints: ['name another folder: cache.folder'],
      where,
      cause: error,
    });
  });
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(parent, name));
  let bytes = 0;
  for (const folder of folders.filter((other) => !without.has(other))) {
    // What another process has deleted in the meantime takes nothing.
    for (const name of await readdir(folder).catch(() => [])) {
      const file = await stat(join(folder, name)).catch(() => undefined);
      bytes += file ? file.blocks * 512 : 0;
    }
  }
  return bytes;
}

function counted(n: number, what: string): string {
  return `${n.toLocaleString('en')} ${what}${n === 1 ? '' : 's'}`;
}

function byteText(bytes: number): string {
  const [unit, name] = (
    [
      [1e9, 'GB'],
      [1e6, 'MB'],
      [1e3, 'kB'],
    ] as const
  ).find(([least]) => bytes >= least) ?? [1, 'bytes'];
  return `${Number((bytes / unit).toPrecision(3))} ${name}`;
}
