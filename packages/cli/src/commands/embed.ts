import { existsSync, statSync } from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { InputError, RunError } from '@retort/core';
import { type Embedder, openStudent, openTeacher } from '../embedders.js';
import { type EmbeddingWriter, openEmbeddingFile } from '../embedding-file.js';
import { decodeImage, imageFiles } from '../image-files.js';
import { createImageProgress } from '../image-progress.js';
import { INTERRUPTED, interruptible } from '../interrupt.js';
import type { Terminal } from '../terminal.js';
import { count } from '../text.js';

export interface EmbedOptions {
  student?: string;
  teacher?: string;
  take?: string;
  output?: string;
  normalize?: boolean;
  overwrite?: boolean;
  backend: string;
}

const BATCH = 64;
const extensions = ['.npy', '.parquet'];

export async function embed(folder: string, options: EmbedOptions, terminal: Terminal): Promise<number> {
  const { student, teacher, normalize = false } = options;
  if ((student === undefined) === (teacher === undefined)) {
    throw new InputError('embed needs a network: either --student or --teacher', {
      hints: ['--student RUN, or --teacher MANIFEST#ID'],
    });
  }
  const images = imageFiles(folder);
  const file = options.output ?? `${basename(resolve(folder))}.npy`;
  checkFile(file, images, options.overwrite);
  const embedder = await (student === undefined ? openTeacher(teacher!, options) : openStudent(student, options));
  try {
    const { name, output, columns, height, width } = embedder;
    const writer = openEmbeddingFile({
      file,
      names: images,
      stamps: images.map((image) => {
        const { size, mtimeMs } = statSync(join(folder, image));
        return `${size} ${mtimeMs}`;
      }),
      key: JSON.stringify([resolve(folder), embedder.key, normalize]),
      columns,
      batch: BATCH,
      metadata: { network: name, output, normalized: String(normalize) },
    });
    try {
      const finished = await interruptible(
        () => terminal.note('stopping after this batch; Ctrl-C again stops at once'),
        (signal) => {
          terminal.note(
            `${count(images.length)} images at ${height} × ${width} pixels through ${name}` +
              (writer.rows > 0 ? `; ${count(writer.rows)} are done already` : ''),
          );
          return embedAll(folder, images, embedder, writer, { normalize, signal, terminal });
        },
      );
      if (!finished) {
        process.stderr.write(`\ninterrupted; ${count(writer.rows)} images are kept. The same command goes on.\n`);
        return INTERRUPTED;
      }
      const files = writer.finish();
      const facts = { network: name, output, rows: images.length, columns, normalized: normalize };
      if (terminal.json) {
        terminal.print(JSON.stringify({ file: files[0], names: files[1], ...facts }, undefined, 2));
      } else {
        const length = normalize ? ', unit length' : '';
        terminal.print(`${file}  ${count(images.length)} × ${columns} float32, ${output} of ${name}${length}`);
        if (files[1] !== undefined) terminal.print(`${files[1]}  the images, a line for each row`);
        terminal.note(`\nPython:\n${python(files)}`);
      }
      return 0;
    } finally {
      writer.close();
    }
  } finally {
    await embedder.dispose();
  }
}

/** @returns whether all images are done; false when it was stopped */
async function embedAll(
  folder: string,
  images: readonly string[],
  embedder: Embedder,
  writer: EmbeddingWriter,
  { normalize, signal, terminal }: { normalize: boolean; signal: AbortSignal; terminal: Terminal },
): Promise<boolean> {
  const { height, width, columns } = embedder;
  const read = (first: number) => {
    const batch = images.slice(first, first + BATCH).map((image) => decodeImage(join(folder, image), height, width));
    const pixels = Promise.all(batch);
    // A fault in one is told when its turn comes, and not at all when it does not.
    pixels.catch(() => undefined);
    return pixels;
  };
  const progress = createImageProgress(writer.rows, images.length, terminal);
  try {
    let next = read(writer.rows);
    while (writer.rows < images.length) {
      if (signal.aborted) return false;
      const first = writer.rows;
      const pixels = await next;
      // Decoded by other threads while the network computes.
      next = read(first + BATCH);
      const values = await embedder.embed(unitPixels(pixels), pixels.length);
      const bad = values.findIndex((value) => !Number.isFinite(value));
      if (bad >= 0) {
        const image = images[first + Math.floor(bad / columns)];
        throw new RunError(`${embedder.name} gives numbers that are not finite for ${join(folder, image)}`);
      }
      writer.append(normalize ? unitRows(values, columns) : values);
      progress.update(writer.rows);
    }
    return true;
  } finally {
    progress.stop();
  }
}

/** Bytes of several images as one array of numbers in [0, 1]. */
function unitPixels(images: readonly Uint8Array[]): Float32Array {
  const size = images[0].length;
  const pixels = new Float32Array(images.length * size);
  images.forEach((bytes, i) => {
    for (let j = 0; j < size; j++) pixels[i * size + j] = bytes[j] / 255;
  });
  return pixels;
}

/** Rows divided by their length; a row of zeros stays one. */
function unitRows(values: Float32Array, columns: number): Float32Array {
  const unit = new Float32Array(values.length);
  for (let start = 0; start < values.length; start += columns) {
    const length = Math.hypot(...values.subarray(start, start + columns));
    if (length > 0) for (let i = start; i < start + columns; i++) unit[i] = values[i] / length;
  }
  return unit;
}

function checkFile(file: string, images: readonly string[], overwrite = false): void {
  if (!extensions.includes(extname(file))) {
    throw new InputError(`${file}: its name tells the format, and must end in ${extensions.join(' or ')}`);
  }
  const found = statSync(file, { throwIfNoEntry: false });
  if (found?.isDirectory()) throw new InputError(`${file} is a folder; name a file in it`);
  if (!existsSync(dirname(file))) throw new InputError(`no such folder: ${dirname(file)}`);
  if (found && !overwrite) {
    throw new InputError(`${file} is there already`, {
      hints: ['replace it: --overwrite', 'or write another: -o FILE'],
    });
  }
  const broken = images.find((name) => /[\n\r]/.test(name));
  if (broken !== undefined) {
    throw new InputError(`the name ${JSON.stringify(broken)} has a line break, and names are kept in lines`);
  }
}

function python([file, names]: string[]): string {
  return names === undefined
    ? `  import pandas\n  images = pandas.read_parquet('${file}')  # columns file, embedding`
    : `  import numpy\n  embeddings = numpy.load('${file}')\n  files = open('${names}', encoding='utf-8').read().split('\\n')[:-1]`;
}
