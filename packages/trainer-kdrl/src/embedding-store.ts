import { createHash } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { decodeFloat16, encodeFloat16, InputError, messageOf, RunError } from '@retort/core';
import type { EmbeddingSource } from './embedding-source.js';

/** Length of the header with the eight bytes that tell it: known before the number of rows is. */
const headerBytes = 512;

/** The bits of a float16's exponent; all of them are set in infinities and NaN. */
const exponentBits = 0x7c00;

/** From here on a float16 would be infinite. */
const tooLarge = 65520;

/** Embeddings in a file, float16. */
export interface EmbeddingStore extends EmbeddingSource {
  /** Hexadecimal sha256 of the rows. */
  readonly digest: string;
  close(): Promise<void>;
}

/** A file that embeddings are appended to. */
export interface EmbeddingWriter {
  /**
   * Appends rows, [n, D] in row order.
   *
   * @throws InputError naming the first row with a number that is not finite or more than float16 holds
   */
  append(rows: Float32Array): Promise<void>;
  /** Completes the file and gives it its name. Nothing is at `path` before. */
  finish(): Promise<void>;
  /** Gives up and removes what was written. */
  abandon(): Promise<void>;
}

/**
 * Starts a file of embeddings: a safetensors file with one float16 tensor `embeddings` [N, D], its sha256 among the metadata.
 * A million embeddings of 1024 numbers are 2 GB.
 *
 * @param size D
 * @throws RunError when the disk refuses
 */
export async function createEmbeddingStore(path: string, size: number): Promise<EmbeddingWriter> {
  const temporary = `${path}.tmp`;
  const told = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      throw new RunError(`cannot write ${path}: ${messageOf(error)}`, { cause: error });
    }
  };
  const file = await told(open(temporary, 'w'));
  const hash = createHash('sha256');
  let count = 0;
  return {
    async append(rows) {
      if (rows.length % size !== 0) {
        throw new InputError(`${path}: ${rows.length} numbers are no whole number of embeddings of ${size}`);
      }
      const at = rows.findIndex((value) => !(Math.abs(value) < tooLarge));
      if (at >= 0) {
        const row = count + Math.floor(at / size);
        throw new InputError(`${path}: embedding ${row} holds ${rows[at]}, and float16 holds up to 65504`, {
          hints: ['embeddings are counted from 0; look at what the teacher gives for this image'],
        });
      }
      const halves = new Uint16Array(rows.length);
      encodeFloat16(rows, halves);
      const bytes = new Uint8Array(halves.buffer);
      await told(writeAt(file, bytes, headerBytes + 2 * size * count));
      hash.update(bytes);
      count += rows.length / size;
    },
    async finish() {
      const end = 2 * size * count;
      const header = JSON.stringify({
        __metadata__: { sha256: hash.digest('hex') },
        embeddings: { dtype: 'F16', shape: [count, size], data_offsets: [0, end] },
      });
      const bytes = Buffer.alloc(headerBytes, ' ');
      bytes.writeBigUInt64LE(BigInt(headerBytes - 8));
      bytes.write(header, 8);
      await told(writeAt(file, bytes, 0));
      await told(file.sync());
      await file.close();
      await told(rename(temporary, path));
    },
    async abandon() {
      await file.close();
      await rm(temporary, { force: true });
    },
  };
}

/**
 * Opens what {@link createEmbeddingStore} wrote.
 *
 * @param verify reads the whole file once, against its digest
 * @throws InputError naming the file when it is missing, no such file, truncated or changed
 */
export async function openEmbeddingStore(path: string, { verify = true } = {}): Promise<EmbeddingStore> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    throw new InputError(`cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
  try {
    const { count, size, digest } = parseHeader(path, await readAt(file, path, 0, headerBytes));
    const bytes = (await file.stat()).size - headerBytes;
    if (bytes !== 2 * count * size) {
      throw new InputError(
        `${path} ${bytes < 2 * count * size ? 'is truncated' : 'is longer than it says'}: ` +
          `${bytes} bytes of embeddings, [${count}, ${size}] in float16 are ${2 * count * size}`,
        { hints: ['remove the file, and it is written anew'] },
      );
    }
    const read = async (start: number, end: number): Promise<Uint16Array> =>
      new Uint16Array((await readAt(file, path, headerBytes + 2 * size * start, 2 * size * (end - start))).buffer);
    if (verify) {
      const hash = createHash('sha256');
      const step = Math.max(1, Math.floor(2 ** 22 / size));
      for (let start = 0; start < count; start += step) {
        const halves = await read(start, Math.min(count, start + step));
        const at = firstNotFinite(halves);
        if (at >= 0) throw new InputError(`${path}: embedding ${start + Math.floor(at / size)} is not finite`);
        hash.update(halves);
      }
      const found = hash.digest('hex');
      if (found !== digest) {
        throw new InputError(`${path} is not what was written`, {
          hints: [`sha256 written: ${digest}`, `sha256 found:   ${found}`, 'remove the file, and it is written anew'],
        });
      }
    }
    return {
      count,
      size,
      digest,
      name: path,
      read: async (start, end) => decodeFloat16(await read(start, end)),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function parseHeader(path: string, bytes: Uint8Array): { count: number; size: number; digest: string } {
  try {
    const { __metadata__: metadata, embeddings } = JSON.parse(new TextDecoder().decode(bytes.subarray(8))) as {
      __metadata__: { sha256: string };
      embeddings: { dtype: string; shape: [number, number] };
    };
    const { dtype, shape } = embeddings;
    if (dtype === 'F16' && shape.length === 2 && shape.every((n) => Number.isSafeInteger(n) && n >= 0)) {
      return { count: shape[0], size: shape[1], digest: metadata.sha256 };
    }
  } catch {
    // Told below: whatever it is, it is not ours.
  }
  throw new InputError(`${path} is no file of embeddings: its first ${headerBytes} bytes tell no float16 matrix`);
}

/** Where the first infinity or NaN is; −1 without one. A plain loop: there may be a billion numbers. */
function firstNotFinite(halves: Uint16Array): number {
  for (let i = 0; i < halves.length; i++) if ((halves[i] & exponentBits) === exponentBits) return i;
  return -1;
}

async function writeAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}

/** @throws InputError when the file ends before */
async function readAt(file: FileHandle, path: string, position: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const { bytesRead } = await file.read(bytes, done, length - done, position + done);
    if (bytesRead === 0) throw new InputError(`${path} is truncated: it ends at byte ${position + done}`);
    done += bytesRead;
  }
  return bytes;
}
