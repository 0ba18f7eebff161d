import { mkdtempSync, existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeSafetensors, Random } from '@retort/core';
import { createEmbeddingStore, openEmbeddingStore } from './embedding-store.js';

describe('embedding store', () => {
  const size = 5;
  const values = new Random([1, 2]).fill(new Float32Array(7 * size), 'normal');
  let folder: string;
  let path: string;
  const write = async (rows = values) => {
    const writer = await createEmbeddingStore(path, size);
    await writer.append(rows.subarray(0, 3 * size));
    await writer.append(rows.subarray(3 * size));
    await writer.finish();
  };
  /** Within half a step of float16: 11 bits are kept. */
  const expectNear = (found: Float32Array, expected: Float32Array) => {
    expect(found.length).toBe(expected.length);
    found.forEach((value, i) =>
      expect(Math.abs(value - expected[i])).toBeLessThanOrEqual(Math.abs(expected[i]) / 2048),
    );
  };
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'retort-embeddings-'));
    path = join(folder, 'clip.embeddings');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('reads any rows of what was appended, in float16', async () => {
    await write();
    const store = await openEmbeddingStore(path);
    expect([store.count, store.size, store.name]).toEqual([7, size, path]);
    expectNear(await store.read(0, 7), values);
    expectNear(await store.read(2, 5), values.subarray(2 * size, 5 * size));
    expect(await store.read(4, 4)).toHaveLength(0);
    await store.close();
  });

  it('is a safetensors file', async () => {
    await write();
    const { tensors, metadata } = decodeSafetensors(readFileSync(path));
    const store = await openEmbeddingStore(path);
    expect(tensors.embeddings).toEqual({ data: await store.read(0, 7), shape: [7, size] });
    expect(metadata).toEqual({ sha256: store.digest });
    await store.close();
  });

  it('is not there before it is complete', async () => {
    const writer = await createEmbeddingStore(path, size);
    await writer.append(values);
    expect(existsSync(path)).toBe(false);
    await writer.abandon();
    expect(existsSync(`${path}.tmp`)).toBe(false);
  });

  it.each([
    [NaN, 'holds NaN'],
    [-Infinity, 'holds -Infinity'],
    [1e5, 'holds 100000, and float16 holds up to 65504'],
  ])('refuses to append %d, naming the row', async (value, message) => {
    const rows = values.slice();
    rows[4 * size + 2] = value;
    const writer = await createEmbeddingStore(path, size);
    await writer.append(rows.subarray(0, 2 * size));
    await expect(writer.append(rows.subarray(2 * size))).rejects.toThrow(`${path}: embedding 4 ${message}`);
    await expect(writer.append(rows.subarray(1))).rejects.toThrow('no whole number of embeddings of 5');
    await writer.abandon();
  });

  it('refuses a truncated file, one with bytes to spare, a changed one and one that holds NaN', async () => {
    await write();
    const bytes = readFileSync(path);
    const refused = async (changed: Buffer, message: string) => {
      writeFileSync(path, changed);
      await expect(openEmbeddingStore(path)).rejects.toThrow(message);
    };
    await refused(bytes.subarray(0, bytes.length - 2), `${path} is truncated: 68 bytes of embeddings, [7, 5]`);
    await refused(bytes.subarray(0, 100), `${path} is truncated: it ends at byte 100`);
    await refused(Buffer.concat([bytes, Buffer.alloc(2)]), `${path} is longer than it says: 72 bytes`);
    const [flipped, hole] = [Buffer.from(bytes), Buffer.from(bytes)];
    flipped[550] ^= 1;
    await refused(flipped, `${path} is not what was written`);
    hole.writeUInt16LE(0x7e00, 512 + 2 * (3 * size + 1));
    await refused(hole, `${path}: embedding 3 is not finite`);
    await refused(Buffer.alloc(600, 'x'), `${path} is no file of embeddings`);
    await expect(openEmbeddingStore(join(folder, 'none'))).rejects.toThrow('cannot read');
    // Without the digest only its length is looked at.
    writeFileSync(path, flipped);
    await (await openEmbeddingStore(path, { verify: false })).close();
  });

  it('tells when the file is cut while it is open', async () => {
    await write();
    const store = await openEmbeddingStore(path);
    truncateSync(path, 540);
    await expect(store.read(0, 7)).rejects.toThrow(`${path} is truncated: it ends at byte 540`);
    await store.close();
  });
});
