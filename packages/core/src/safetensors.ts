import type { HostTensor } from './host-tensor.js';

const dtypes = { F32: Float32Array, I32: Int32Array, U8: Uint8Array } as const;

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

/** @throws Error that says what is wrong with the bytes; callers add the file's name */
export function decodeSafetensors(bytes: Buffer): {
  tensors: Record<string, HostTensor>;
  metadata: Record<string, string>;
} {
  if (bytes.length < 8) throw new Error(`truncated: ${bytes.length} bytes, a safetensors file has at least 8`);
  const headerLength = Number(bytes.readBigUInt64LE(0));
  if (headerLength > bytes.length - 8) {
    throw new Error(`truncated: its header says ${headerLength} bytes, ${bytes.length - 8} are there`);
  }
  const { __metadata__: metadata = {}, ...entries } = JSON.parse(bytes.toString('utf8', 8, 8 + headerLength)) as {
    __metadata__?: Record<string, string>;
  } & Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;
  const tensors: Record<string, HostTensor> = {};
  for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(entries)) {
    const TypedArray = dtypes[dtype as keyof typeof dtypes];
    if (!TypedArray) throw new Error(`tensor "${name}" has type ${dtype}; read are ${Object.keys(dtypes).join(', ')}`);
    const [start, end] = [8 + headerLength + offsets[0], 8 + headerLength + offsets[1]];
    if (end > bytes.length) throw new Error(`truncated: tensor "${name}" ends at byte ${end} of ${bytes.length}`);
    const size = shape.reduce((product, n) => product * n, 1);
    if (end - start !== size * TypedArray.BYTES_PER_ELEMENT) {
      throw new Error(`tensor "${name}" has ${end - start} bytes for shape [${shape.join(', ')}] of ${dtype}`);
    }
    // Copied: the file's buffer need not be aligned, and should not stay alive for one tensor.
    tensors[name] = { data: new TypedArray(new Uint8Array(bytes.subarray(start, end)).buffer), shape };
  }
  return { tensors, metadata };
}
