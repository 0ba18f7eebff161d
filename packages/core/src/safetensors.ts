import { decodeFloat16 } from './float16.js';
import type { HostTensor } from './host-tensor.js';

/** Types by name in the header: bytes of a value, and how many of them become an array of ours. */
const dtypes: Record<string, { bytes: number; read(bytes: ArrayBuffer, name: string): HostTensor['data'] }> = {
  F32: { bytes: 4, read: (bytes) => new Float32Array(bytes) },
  I32: { bytes: 4, read: (bytes) => new Int32Array(bytes) },
  U8: { bytes: 1, read: (bytes) => new Uint8Array(bytes) },
  F16: { bytes: 2, read: (bytes) => decodeFloat16(new Uint16Array(bytes)) },
  BF16: {
    bytes: 2,
    read: (bytes) => new Float32Array(Uint32Array.from(new Uint16Array(bytes), (b) => b << 16).buffer),
  },
  F64: { bytes: 8, read: (bytes) => Float32Array.from(new Float64Array(bytes)) },
  I64: { bytes: 8, read: (bytes, name) => Int32Array.from(new BigInt64Array(bytes), (value) => narrow(value, name)) },
};

/** Bytes of a safetensors file with these tensors (F32, I32, U8) and string metadata, keys in sorted order. */
export function encodeSafetensors(tensors: Record<string, HostTensor>, metadata: Record<string, string> = {}): Buffer {
  const header: Record<string, unknown> = { __metadata__: metadata };
  const parts: Buffer[] = [];
  let offset = 0;
  // Four-byte types first, so that everything stays aligned.
  const names = Object.keys(tensors).sort(
    (a, b) => tensors[b].data.BYTES_PER_ELEMENT - tensors[a].data.BYTES_PER_ELEMENT || (a < b ? -1 : 1),
  );
  for (const name of names) {
    const { data, shape } = tensors[name];
    const dtype = data instanceof Float32Array ? 'F32' : data instanceof Int32Array ? 'I32' : 'U8';
    header[name] = { dtype, shape, data_offsets: [offset, offset + data.byteLength] };
    parts.push(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    offset += data.byteLength;
  }
  let json = JSON.stringify(header);
  json += ' '.repeat((8 - (Buffer.byteLength(json) % 8)) % 8);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(json)));
  return Buffer.concat([length, Buffer.from(json), ...parts]);
}

/**
 * Tensors of a safetensors file. F16, BF16 and F64 become float32, I64 becomes int32; F32, I32 and U8 stay what they are.
 *
 * @throws Error that says what is wrong with the bytes; callers add the file's name
 */
export function decodeSafetensors(bytes: Buffer): {
  tensors: Record<string, HostTensor>;
  metadata: Record<string, string>;
} {
  if (bytes.length < 8) throw new Error(`truncated: ${bytes.length} bytes, a safetensors file has at least 8`);
  const headerLength = Number(bytes.readBigUInt64LE(0));
  if (headerLength > bytes.length - 8) {
    throw new Error(`truncated: its header says ${headerLength} bytes, ${bytes.length - 8} are there`);
  }
  const { __metadata__: metadata = {}, ...entries } = parseHeader(bytes.toString('utf8', 8, 8 + headerLength));
  const tensors: Record<string, HostTensor> = {};
  for (const [name, entry] of Object.entries(entries)) {
    if (!isEntry(entry)) throw new Error(`tensor "${name}" lacks a type, a shape or the place of its bytes`);
    const { dtype, shape, data_offsets: offsets } = entry;
    const type = Object.hasOwn(dtypes, dtype) ? dtypes[dtype] : undefined;
    if (!type) throw new Error(`tensor "${name}" has type ${dtype}; read are ${Object.keys(dtypes).join(', ')}`);
    const [start, end] = [8 + headerLength + offsets[0], 8 + headerLength + offsets[1]];
    if (end > bytes.length) throw new Error(`truncated: tensor "${name}" ends at byte ${end} of ${bytes.length}`);
    const size = shape.reduce((product, n) => product * n, 1);
    if (end - start !== size * type.bytes) {
      throw new Error(`tensor "${name}" has ${end - start} bytes for shape [${shape.join(', ')}] of ${dtype}`);
    }
    // Copied: the file's buffer need not be aligned, and should not stay alive for one tensor.
    tensors[name] = { data: type.read(new Uint8Array(bytes.subarray(start, end)).buffer, name), shape };
  }
  return { tensors, metadata };
}

type Header = { __metadata__?: Record<string, string> } & Record<string, unknown>;

function parseHeader(text: string): Header {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (error) {
    throw new Error(`its header is not JSON: ${(error as Error).message}`, { cause: error });
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) {
    throw new Error('its header is not a JSON object');
  }
  return header as Header;
}

function isEntry(value: unknown): value is { dtype: string; shape: number[]; data_offsets: [number, number] } {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
  const counts = (list: unknown) =>
    Array.isArray(list) && list.every((each) => Number.isSafeInteger(each) && (each as number) >= 0);
  return typeof dtype === 'string' && counts(shape) && counts(offsets) && (offsets as number[]).length === 2;
}

function narrow(value: bigint, name: string): number {
  if (BigInt.asIntN(32, value) !== value) throw new Error(`tensor "${name}" holds ${value}, more than int32 does`);
  return Number(value);
}
