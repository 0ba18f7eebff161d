import {
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
  closeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CacheShard, headerBytes, keepFile, openShard, sealBytes } from './cache-shard.js';

const header = { format: 1, teacher: 'a', view: 0 };
const recordBytes = sealBytes + 12;
let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shard-'));
  path = join(folder, 'deep', 'view-0.bin');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A record with this number and letter in it. */
function recordOf(number: number, letter: string): Uint8Array {
  const record = new Uint8Array(recordBytes);
  Buffer.from(`${letter}${String(number).padStart(11)}`).copy(record, sealBytes);
  return record;
}

const textOf = (record: Uint8Array | undefined) => record && Buffer.from(record.subarray(sealBytes)).toString();

async function read(
  shard: CacheShard,
  numbers: number[],
): Promise<{ texts: (string | undefined)[]; damaged: number[] }> {
  const { records, damaged } = await shard.read(numbers);
  return { texts: records.map(textOf), damaged };
}

/** Opens, does something, closes. */
async function withShard<T>(
  body: (shard: CacheShard, replaced: string | undefined) => Promise<T>,
  changes: object = {},
): Promise<T> {
  const { shard, replaced } = await openShard(path, { ...header, ...changes }, recordBytes);
  try {
    return await body(shard, replaced);
  } finally {
    await shard.close();
  }
}

async function fill(numbers: number[], letter = 'a'): Promise<void> {
  await withShard((shard) => shard.write(new Map(numbers.map((number) => [number, recordOf(number, letter)]))));
}

/** Overwrites bytes of the file. */
function spoil(position: number, bytes: number[]): void {
  const file = openSync(path, 'r+');
  writeSync(file, Uint8Array.from(bytes), 0, bytes.length, position);
  closeSync(file);
}

const positionOf = (number: number) => headerBytes(header) + number * recordBytes;

describe('openShard', () => {
  it('gives back what was written, at once and when opened again, and nothing else', async () => {
    const expected = { texts: [textOf(recordOf(7, 'a')), undefined, textOf(recordOf(0, 'a'))], damaged: [] };
    await withShard(async (shard, replaced) => {
      expect(replaced).toBeUndefined();
      expect((await read(shard, [7, 3])).texts).toEqual([undefined, undefined]);
      await shard.write(new Map([7, 0].map((number) => [number, recordOf(number, 'a')])));
      expect(await read(shard, [7, 3, 0])).toEqual(expected);
    });
    await withShard(async (shard, replaced) => {
      expect(replaced).toBeUndefined();
      expect(await read(shard, [7, 3, 0])).toEqual(expected);
      // Far behind the end.
      expect(await read(shard, [10_000])).toEqual({ texts: [undefined], damaged: [] });
    });
    expect(readdirSync(join(folder, 'deep'))).toEqual(['view-0.bin']);
  });

  it('leaves holes where no record is', async () => {
    await fill([1_000_000]);
    const { size, blocks } = statSync(path);
    expect(size).toBe(positionOf(1_000_001));
    expect(blocks * 512).toBeLessThan(100_000);
  });

  it('notices every flipped bit of a record', async () => {
    const numbers = Array.from({ length: 8 * recordBytes }, (_, bit) => bit);
    await fill([...numbers, numbers.length]);
    const bytes = readFileSync(path);
    for (const bit of numbers) bytes[positionOf(bit) + (bit >> 3)] ^= 1 << (bit & 7);
    writeFileSync(path, bytes);
    const { texts, damaged } = await withShard((shard) => read(shard, [...numbers, numbers.length]));
    expect(damaged.sort((a, b) => a - b)).toEqual(numbers);
    expect(texts.filter((text) => text !== undefined)).toEqual([textOf(recordOf(numbers.length, 'a'))]);
  });

  it('notices a record that was cut off, and takes a new one in its place', async () => {
    await fill([0, 1]);
    for (const left of [3, 9, recordBytes - 1]) {
      truncateSync(path, positionOf(1) + left);
      await withShard(async (shard, replaced) => {
        expect(replaced).toBeUndefined();
        expect(await read(shard, [0, 1])).toEqual({ texts: [textOf(recordOf(0, 'a')), undefined], damaged: [1] });
      });
    }
    await fill([1], 'b');
    expect(await withShard((shard) => read(shard, [1]))).toEqual({ texts: [textOf(recordOf(1, 'b'))], damaged: [] });
  });

  it('notices a record that lies in the place of another', async () => {
    await fill([4]);
    const record = readFileSync(path).subarray(positionOf(4), positionOf(5));
    spoil(positionOf(2), Array.from(record));
    expect(await withShard((shard) => read(shard, [2, 4]))).toEqual({
      texts: [undefined, textOf(recordOf(4, 'a'))],
      damaged: [2],
    });
  });

  it('waits for a record that is being written', async () => {
    await fill([5]);
    const record = readFileSync(path).subarray(positionOf(5), positionOf(6));
    spoil(positionOf(5), [0xff]);
    await withShard(async (shard) => {
      const reading = read(shard, [5]);
      setTimeout(() => spoil(positionOf(5), [record[0]]), 2);
      expect(await reading).toEqual({ texts: [textOf(recordOf(5, 'a'))], damaged: [] });
    });
  });

  it('replaces a file of another header, saying what differs', async () => {
    await fill([0]);
    await withShard(
      async (shard, replaced) => {
        expect(replaced).toBe('it was written for another teacher, view');
        expect((await read(shard, [0])).texts).toEqual([undefined]);
      },
      { teacher: 'b', view: 1 },
    );
    // The new one stands.
    await withShard(async (_, replaced) => expect(replaced).toBeUndefined(), { teacher: 'b', view: 1 });
  });

  it.each([
    [
      'of something else',
      () => writeFileSync(path, 'not a cache at all, but long enough to be one'),
      "it holds no teacher's outputs",
    ],
    ['that is empty', () => writeFileSync(path, ''), "it holds no teacher's outputs"],
    ['with a bit of its header flipped', () => spoil(20, [0x7f]), 'its header is damaged'],
    [
      'with a length of its header that is too large',
      () => spoil(8, [0xff, 0xff, 0xff, 0xff]),
      'its header is damaged',
    ],
    ['with bytes after its header', () => spoil(4000, [1]), 'its header is damaged'],
    ['cut off inside its header', () => truncateSync(path, 100), 'its header is damaged'],
  ])('replaces a file %s', async (_, damage, reason) => {
    await fill([0]);
    damage();
    await withShard(async (shard, replaced) => {
      expect(replaced).toBe(reason);
      expect(await read(shard, [0])).toEqual({ texts: [undefined], damaged: [] });
    });
    await fill([0], 'b');
    expect((await withShard((shard) => read(shard, [0]))).texts).toEqual([textOf(recordOf(0, 'b'))]);
    expect(readdirSync(join(folder, 'deep'))).toEqual(['view-0.bin']);
  });

  it('is opened by many at once, who all see what one of them wrote', async () => {
    const opened = await Promise.all(Array.from({ length: 8 }, () => openShard(path, header, recordBytes)));
    expect(opened.every(({ replaced }) => replaced === undefined)).toBe(true);
    await Promise.all(opened.map(({ shard }, k) => shard.write(new Map([[k, recordOf(k, 'a')]]))));
    for (const { shard } of opened) {
      expect((await read(shard, [0, 1, 2, 3, 4, 5, 6, 7])).texts).toEqual(
        Array.from({ length: 8 }, (_, k) => textOf(recordOf(k, 'a'))),
      );
      await shard.close();
    }
  });

  it('says why a file cannot be made', async () => {
    writeFileSync(join(folder, 'deep'), 'a file');
    await expect(openShard(path, header, recordBytes)).rejects.toThrow(/EEXIST|ENOTDIR/);
    rmSync(join(folder, 'deep'));
    mkdirSync(path, { recursive: true });
    await expect(openShard(path, header, recordBytes)).rejects.toThrow('EISDIR');
  });
});

describe('keepFile', () => {
  it('makes a file, leaves it when it is the same, and replaces it when it is not', async () => {
    expect(await keepFile(path, Buffer.from('content'))).toBe(false);
    const { ino } = statSync(path);
    expect(await keepFile(path, Buffer.from('content'))).toBe(false);
    expect(statSync(path).ino).toBe(ino);
    truncateSync(path, 3);
    expect(await keepFile(path, Buffer.from('content'))).toBe(true);
    expect(readFileSync(path, 'utf8')).toBe('content');
  });
});
