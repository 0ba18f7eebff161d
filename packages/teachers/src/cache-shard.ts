import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { crc32 } from 'node:zlib';

/** Room at the start of every record for its check sum and number. What a caller writes begins after it. */
export const sealBytes = 8;

/** A file of records of one size. Two processes may have it open and write to it at once. */
export interface CacheShard {
  readonly path: string;
  /**
   * @param numbers of the records wanted
   * @returns the records, undefined for those that are not there, and the numbers of those whose bytes are not what was written
   */
  read(numbers: readonly number[]): Promise<{ records: (Uint8Array | undefined)[]; damaged: number[] }>;
  /** @param records [recordBytes] each, by number; their first {@link sealBytes} bytes are overwritten */
  write(records: ReadonlyMap<number, Uint8Array>): Promise<void>;
  /** Records that the file has room for so far; of those some may be absent. */
  count(): Promise<number>;
  close(): Promise<void>;
}

const magic = Buffer.from('RETORTTC');
const prefixBytes = magic.length + 8;
/** Headers take whole blocks of the disk. */
const blockBytes = 4096;

/** Bytes before the first record. */
export function headerBytes(header: Record<string, unknown>): number {
  return encodeHeader(header).length;
}

/**
 * Opens the file of that header, made when it is not there. One with another header, or a damaged one, is replaced by an empty one.
 *
 * A record lies at its number, so nothing has to be kept about which are there: it begins with a check sum over its number and its
 * bytes, and one that does not check is none. That holds for a record that was cut off, that lies in a hole of the file, or that
 * two processes wrote at once and left as a mixture.
 *
 * @param header JSON values: what the records are of
 * @param recordBytes the seal included, a multiple of four
 * @returns `replaced`: what was wrong with the file that lay there
 */
export async function openShard(
  path: string,
  header: Record<string, unknown>,
  recordBytes: number,
): Promise<{ shard: CacheShard; replaced?: string }> {
  const wanted = encodeHeader(header);
  await mkdir(dirname(path), { recursive: true });
  const found = await readStart(path, wanted.length);
  let replaced: string | undefined;
  if (!found) await putNew(path, wanted);
  else if (!found.equals(wanted)) {
    replaced = whatDiffers(found, header);
    await replace(path, wanted);
  }
  const file = await open(path, 'r+');

  const positionOf = (number: number) => wanted.length + number * recordBytes;
  const readRecord = async (number: number): Promise<{ record: Buffer; state: 'valid' | 'absent' | 'damaged' }> => {
    const record = Buffer.allocUnsafeSlow(recordBytes);
    const { bytesRead } = await file.read(record, 0, recordBytes, positionOf(number));
    const isWhole = bytesRead === recordBytes;
    if (isWhole && isSealed(record, number)) return { record, state: 'valid' };
    return { record, state: record.subarray(0, Math.min(bytesRead, sealBytes)).some(Boolean) ? 'damaged' : 'absent' };
  };
  const shard: CacheShard = {
    path,
    async read(numbers) {
      const damaged: number[] = [];
      const records = await Promise.all(
        numbers.map(async (number) => {
          let { record, state } = await readRecord(number);
          if (state === 'damaged') {
            // Another process may be in the middle of writing it.
            await wait(10);
            ({ record, state } = await readRecord(number));
          }
          if (state === 'damaged') damaged.push(number);
          return state === 'valid' ? record : undefined;
        }),
      );
      return { records, damaged };
    },
    async write(records) {
      await Promise.all(
        Array.from(records, async ([number, record]) => {
          seal(record, number);
          for (let done = 0; done < recordBytes;) {
            done += (await file.write(record, done, recordBytes - done, positionOf(number) + done)).bytesWritten;
          }
        }),
      );
    },
    count: async () => Math.ceil(((await file.stat()).size - wanted.length) / recordBytes),
    close: () => file.close(),
  };
  return { shard, ...(replaced !== undefined && { replaced }) };
}

/** Makes a file hold these bytes, whole or not at all. @returns whether other bytes lay there and were replaced */
export async function keepFile(path: string, bytes: Uint8Array): Promise<boolean> {
  await mkdir(dirname(path), { recursive: true });
  const found = await readFile(path).catch(unlessMissing);
  if (!found) await putNew(path, bytes);
  else if (!found.equals(bytes)) await replace(path, bytes);
  return found !== undefined && !found.equals(bytes);
}

function encodeHeader(header: Record<string, unknown>): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const bytes = Buffer.alloc(Math.ceil((prefixBytes + json.length) / blockBytes) * blockBytes);
  magic.copy(bytes);
  bytes.writeUInt32LE(json.length, magic.length);
  bytes.writeUInt32LE(crc32(json), magic.length + 4);
  json.copy(bytes, prefixBytes);
  return bytes;
}

/** Why the start of a file is not that of this header. */
function whatDiffers(found: Buffer, wanted: Record<string, unknown>): string {
  if (found.length < prefixBytes || !found.subarray(0, magic.length).equals(magic))
    return "it holds no teacher's outputs";
  const json = found.subarray(prefixBytes, prefixBytes + found.readUInt32LE(magic.length));
  if (crc32(json) !== found.readUInt32LE(magic.length + 4)) return 'its header is damaged';
  const header = JSON.parse(json.toString()) as Record<string, unknown>;
  const names = [...new Set([...Object.keys(header), ...Object.keys(wanted)])];
  const other = names.filter((name) => JSON.stringify(header[name]) !== JSON.stringify(wanted[name]));
  return other.length > 0 ? `it was written for another ${other.join(', ')}` : 'its header is damaged';
}

/** The check sum covers the number too: bytes of another record are not taken for this one's, nor is a hole, which is all zeros. */
function seal(record: Uint8Array, number: number): void {
  const words = new Uint32Array(record.buffer, record.byteOffset, 2);
  words[1] = number + 1;
  words[0] = crc32(record.subarray(4));
}

function isSealed(record: Uint8Array, number: number): boolean {
  const words = new Uint32Array(record.buffer, record.byteOffset, 2);
  return words[1] === number + 1 && words[0] === crc32(record.subarray(4));
}

/** @returns undefined when there is no such file; fewer bytes when it is shorter */
async function readStart(path: string, length: number): Promise<Buffer | undefined> {
  const file = await open(path, 'r').catch(unlessMissing);
  if (!file) return undefined;
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** A new file appears with all its bytes; where another process was faster, its file stays. */
async function putNew(path: string, bytes: Uint8Array): Promise<void> {
  await viaTemporary(path, bytes, async (temporary) => {
    await link(temporary, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  });
}

async function replace(path: string, bytes: Uint8Array): Promise<void> {
  await viaTemporary(path, bytes, (temporary) => rename(temporary, path));
}

async function viaTemporary(path: string, bytes: Uint8Array, put: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    await writeFile(temporary, bytes, { flag: 'wx' });
    await put(temporary);
  } finally {
    await rm(temporary, { force: true });
  }
}

function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
