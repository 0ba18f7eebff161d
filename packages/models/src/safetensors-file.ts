import { type FileHandle, open } from 'node:fs/promises';
import { decodeSafetensors, type HostTensor, InputError, messageOf } from '@retort/core';

/** A safetensors file that is read tensor by tensor, so that a large one is never in memory twice. */
export interface SafetensorsFile {
  readonly path: string;
  /** By tensor name. */
  readonly shapes: ReadonlyMap<string, number[]>;
  /** One of `shapes`. @throws InputError when its bytes are not what its entry says */
  read(name: string): Promise<HostTensor>;
  close(): Promise<void>;
}

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** @throws InputError when there is no such file, or it is no whole safetensors file */
export async function openSafetensors(path: string, { where }: { where?: string } = {}): Promise<SafetensorsFile> {
  let file: FileHandle;
  try {
    file = await open(path);
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new InputError(missing ? `no such file: ${path}` : `cannot read ${path}: ${messageOf(error)}`, {
      where,
      cause: error,
    });
  }
  const refuse = (error: unknown): never => {
    throw new InputError(`${path} is no safetensors file that can be read: ${messageOf(error)}`, {
      hints: ['the copy was cut off, or the file is of another format (.pth, .bin): fetch the safetensors file'],
      where,
      cause: error,
    });
  };
  try {
    const { size } = await file.stat();
    if (size < 8) throw new Error(`truncated: ${size} bytes, a safetensors file has at least 8`);
    const headerLength = Number((await bytesAt(file, 0, 8)).readBigUInt64LE());
    if (headerLength > size - 8) {
      throw new Error(`truncated: its header says ${headerLength} bytes, ${size - 8} are there`);
    }
    const entries = headerOf(await bytesAt(file, 8, headerLength), size - 8 - headerLength);
    return {
      path,
      shapes: new Map([...entries].map(([name, { shape }]) => [name, shape])),
      async read(name) {
        try {
          const { data_offsets: offsets, ...entry } = entries.get(name)!;
          const length = offsets[1] - offsets[0];
          const bytes = await bytesAt(file, 8 + headerLength + offsets[0], length);
          // The tensor as a file of its own.
          const header = Buffer.from(JSON.stringify({ [name]: { ...entry, data_offsets: [0, length] } }));
          const prefix = Buffer.alloc(8);
          prefix.writeBigUInt64LE(BigInt(header.length));
          return decodeSafetensors(Buffer.concat([prefix, header, bytes])).tensors[name];
        } catch (error) {
          return refuse(error);
        }
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    return refuse(error);
  }
}

/** {@link openSafetensors} for as long as `body` runs. */
export async function withSafetensors<T>(
  path: string,
  options: { where?: string },
  body: (file: SafetensorsFile) => Promise<T>,
): Promise<T> {
  const file = await openSafetensors(path, options);
  try {
    return await body(file);
  } finally {
    await file.close();
  }
}

/** Entries of a header whose tensors lie within so many bytes. Whether a tensor's bytes fit its type is seen when it is read. */
function headerOf(header: Buffer, size: number): Map<string, Entry> {
  let json: unknown;
  try {
    json = JSON.parse(header.toString('utf8'));
  } catch (error) {
    throw new Error(`its header is not JSON: ${messageOf(error)}`, { cause: error });
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new Error('its header is not a JSON object');
  }
  const entries = new Map<string, Entry>();
  for (const [name, entry] of Object.entries(json)) {
    if (name === '__metadata__') continue;
    if (!isEntry(entry)) throw new Error(`tensor "${name}" lacks a type, a shape or the place of its bytes`);
    const [, end] = entry.data_offsets;
    if (end > size) throw new Error(`truncated: tensor "${name}" ends at byte ${end} of ${size}`);
    entries.set(name, entry);
  }
  return entries;
}

function isEntry(value: unknown): value is Entry {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Partial<Entry>;
  const counts = (list: unknown) =>
    Array.isArray(list) && list.every((each) => Number.isSafeInteger(each) && (each as number) >= 0);
  return (
    typeof dtype === 'string' && counts(shape) && counts(offsets) && offsets!.length === 2 && offsets![0] <= offsets![1]
  );
}

/** @throws Error when there are fewer */
async function bytesAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  for (let done = 0; done < length;) {
    // One read gives 2 GiB at most.
    const { bytesRead } = await file.read(bytes, done, Math.min(length - done, 2 ** 30), position + done);
    if (bytesRead === 0) throw new Error(`truncated: ${length} bytes asked for, ${done} are there`);
    done += bytesRead;
  }
  return bytes;
}
