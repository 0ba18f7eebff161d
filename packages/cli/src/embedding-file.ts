import {
  appendFileSync,
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { messageOf, RetortError, RunError, sha256, writeWhole } from '@retort/core';
import { fileWriter, ParquetWriter } from 'hyparquet-writer';
import { NPY_HEADER_BYTES, npyHeader } from './npy.js';

/** Embeddings on their way to a file. */
export interface EmbeddingWriter {
  /** Rows that an earlier attempt left, a whole number of batches. */
  readonly rows: number;
  /** Adds the rows of one batch and makes them durable. @param values row by row */
  append(values: Float32Array): void;
  /** Puts the whole file in its place. @returns files that were written */
  finish(): string[];
  /** Keeps what is there for the next attempt. */
  close(): void;
}

export interface EmbeddingTarget {
  /** `.npy` or `.parquet`. */
  file: string;
  /** Names of the rows. */
  names: readonly string[];
  /** What else rows depend on, name by name, such as the size of an image file. */
  stamps: readonly string[];
  /** What all rows depend on: the network, how images are prepared. Another key starts afresh. */
  key: string;
  columns: number;
  batch: number;
  /** Told in a Parquet file. */
  metadata: Record<string, string>;
}

/** Values of one row group of a Parquet file. */
const GROUP_VALUES = 2 ** 20;

/**
 * Opens a file that is written whole or not at all. Until then rows are kept in a hidden file beside it, so that the next attempt goes
 * on where this one ended, as far as names and stamps are still the same from the start.
 */
export function openEmbeddingFile(target: EmbeddingTarget): EmbeddingWriter {
  const { file, names, stamps, key, columns, batch } = target;
  const partial = join(dirname(file), `.${basename(file)}.${sha256(key).slice(0, 12)}.partial`);
  const entries = names.map((name, i) => `${stamps[i]}\t${name}`);
  const list = `${partial}.txt`;
  const rowBytes = 4 * columns;

  const handle = writing(file, () => openSync(partial, existsSync(partial) ? 'r+' : 'w+'));
  let rows = keptRows(list, entries, Math.floor((fstatSync(handle).size - NPY_HEADER_BYTES) / rowBytes), batch);
  writing(file, () => writeFileSync(list, entries.slice(0, rows).map(line).join('')));
  /** Of this attempt and of those with other networks, which are of no use once the file is there. */
  const removePartials = () => {
    const left = readdirSync(dirname(file)).filter((name) => name.startsWith(`.${basename(file)}.`));
    for (const name of left) {
      if (/\.[0-9a-f]{12}\.partial/.test(name)) rmSync(join(dirname(file), name), { force: true });
    }
  };
  const read = (first: number, count: number) => {
    const values = new Float32Array(count * columns);
    const bytes = new Uint8Array(values.buffer);
    const start = NPY_HEADER_BYTES + first * rowBytes;
    for (let done = 0; done < bytes.length;) done += readSync(handle, bytes, done, bytes.length - done, start + done);
    return values;
  };
  return {
    get rows() {
      return rows;
    },
    append(values) {
      const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
      const start = NPY_HEADER_BYTES + rows * rowBytes;
      const added = entries.slice(rows, rows + values.length / columns);
      writing(file, () => {
        for (let done = 0; done < bytes.length;) {
          done += writeSync(handle, bytes, done, bytes.length - done, start + done);
        }
        fsyncSync(handle);
        // After the values: a row counts when its name is there.
        appendFileSync(list, added.map(line).join(''));
      });
      rows += added.length;
    },
    finish: () =>
      writing(file, () => {
        if (file.endsWith('.parquet')) {
          writeParquet(`${partial}.parquet`, target, read);
          renameSync(`${partial}.parquet`, file);
          removePartials();
          return [file];
        }
        ftruncateSync(handle, NPY_HEADER_BYTES + rows * rowBytes);
        writeSync(handle, npyHeader(rows, columns), 0, NPY_HEADER_BYTES, 0);
        fsyncSync(handle);
        const namesFile = file.replace(/\.npy$/, '.files.txt');
        // The old file first: it would otherwise lie beside the names of another for a moment.
        rmSync(file, { force: true });
        writeWhole(namesFile, names.map(line).join(''));
        renameSync(partial, file);
        removePartials();
        return [file, namesFile];
      }),
    close: () => closeSync(handle),
  };
}

/** @throws RunError when the disk refuses */
function writing<T>(file: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof RetortError) throw error;
    throw new RunError(`cannot write ${file}: ${messageOf(error)}`, {
      hints: ['nothing is lost: mend that, and the same command goes on'],
      cause: error,
    });
  }
}

/** Whole batches from the start whose names and stamps are what they were then. */
function keptRows(list: string, entries: readonly string[], stored: number, batch: number): number {
  const known = existsSync(list) ? readFileSync(list, 'utf8').split('\n').slice(0, -1) : [];
  const other = known.findIndex((entry, i) => entry !== entries[i]);
  const rows = Math.max(0, Math.min(stored, other < 0 ? known.length : other));
  return rows === entries.length ? rows : Math.floor(rows / batch) * batch;
}

/** A column `file` of texts and a column `embedding` of lists of float32. */
function writeParquet(
  path: string,
  { names, columns, metadata }: EmbeddingTarget,
  read: (first: number, count: number) => Float32Array,
): void {
  const parquet = new ParquetWriter({
    writer: fileWriter(path),
    schema: [
      { name: 'root', num_children: 2 },
      { name: 'file', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
      { name: 'embedding', converted_type: 'LIST', repetition_type: 'REQUIRED', num_children: 1 },
      { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
      { name: 'element', type: 'FLOAT', repetition_type: 'REQUIRED' },
    ],
    kvMetadata: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    createdBy: 'Retort',
  });
  const group = Math.max(1, Math.floor(GROUP_VALUES / columns));
  for (let first = 0; first < names.length; first += group) {
    const file = names.slice(first, first + group);
    const values = read(first, file.length);
    const embedding = file.map((_, i) => Array.from(values.subarray(i * columns, (i + 1) * columns)));
    void parquet.write({
      columnData: [
        { name: 'file', data: file },
        // Numbers that look random: neither a dictionary nor compression would find anything in them.
        { name: 'embedding', data: embedding, encoding: 'PLAIN', codec: 'UNCOMPRESSED', statistics: false },
      ],
      rowGroupSize: group,
    });
  }
  void parquet.finish();
  const handle = openSync(path, 'r+');
  fsyncSync(handle);
  closeSync(handle);
}

function line(text: string): string {
  return `${text}\n`;
}
