import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeSafetensors, encodeSafetensors, type HostTensor, InputError } from '@retort/core';
import { openSafetensors, withSafetensors } from './safetensors-file.js';

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'retort-safetensors-'))));
afterAll(() => rmSync(folder, { recursive: true }));

const write = (bytes: Buffer): string => {
  const path = join(folder, 'x.safetensors');
  writeFileSync(path, bytes);
  return path;
};

/** A file with any header, and eight bytes after it. */
const withHeader = (header: unknown): Buffer => {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Buffer.alloc(8)]);
};

describe('a safetensors file', () => {
  const tensors: Record<string, HostTensor> = {
    'conv/kernel': { data: Float32Array.of(1.5, -0, NaN, Infinity, 1e-45, 3.4e38), shape: [1, 2, 3] },
    scalar: { data: Float32Array.of(7), shape: [] },
    empty: { data: new Float32Array(0), shape: [0] },
    mask: { data: Uint8Array.of(0, 255, 3), shape: [3] },
    label: { data: Int32Array.of(-1, 2 ** 31 - 1), shape: [2] },
  };

  it('gives, one by one, the tensors that reading it whole gives', async () => {
    const bytes = encodeSafetensors(tensors, { format: 'test' });
    const whole = decodeSafetensors(bytes).tensors;
    await withSafetensors(write(bytes), {}, async (file) => {
      expect([...file.shapes.keys()].sort()).toEqual(Object.keys(tensors).sort());
      for (const name of file.shapes.keys()) expect(await file.read(name)).toEqual(whole[name]);
    });
  });

  it('is refused at every length it can be cut to', async () => {
    const bytes = encodeSafetensors(tensors);
    for (let length = 0; length < bytes.length; length++) {
      await expect(openSafetensors(write(bytes.subarray(0, length)))).rejects.toThrow('truncated');
    }
  });

  it.each<[string, Buffer, string]>([
    ['a header that is no JSON', withHeader('{"x": '), 'its header is not JSON'],
    ['a header of another kind', withHeader([1]), 'its header is not a JSON object'],
    ['no shape', withHeader({ x: { dtype: 'F32', data_offsets: [0, 8] } }), '"x" lacks a type, a shape'],
    ['an end before its start', withHeader({ x: { dtype: 'F32', shape: [0], data_offsets: [8, 4] } }), '"x" lacks'],
  ])('is refused with %s', async (_, bytes, message) => {
    const error = await openSafetensors(write(bytes), { where: 'student' }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(InputError);
    expect((error as InputError).message).toContain(message);
    expect((error as InputError).where).toBe('student');
  });

  it.each([
    [{ dtype: 'C64', shape: [1], data_offsets: [0, 8] }, 'type C64'],
    [{ dtype: 'F32', shape: [3], data_offsets: [0, 8] }, '8 bytes for shape [3] of F32'],
  ])('is refused when a tensor is read that is %j', async (entry, message) => {
    await withSafetensors(write(withHeader({ x: entry })), {}, async (file) => {
      const error = await file.read('x').catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(InputError);
      expect((error as InputError).message).toContain(message);
    });
  });
});
