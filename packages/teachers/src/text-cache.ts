import { createHash } from 'node:crypto';
import type { HostTensor } from '@retort/core';
import { type CacheShard, sealBytes } from './cache-shard.js';
import type { RecordMemory } from './record-memory.js';

/** Bytes of what tells a text from others, after the seal. */
const keyBytes = 16;

/** Where the values of a text's record begin. */
export const textStart = sealBytes + keyBytes;

/** Records of texts by what they say: a text comes with another image, in another epoch or batch, and is known again. */
export interface TextCache {
  /** @returns records, undefined for texts that are not there */
  find(keys: readonly string[]): Promise<(Uint8Array | undefined)[]>;
  /** Keeps records whose values are filled in from {@link textStart}. */
  add(records: ReadonlyMap<string, Uint8Array>): Promise<void>;
  close(): Promise<void>;
}

/** What a text goes by: a digest of its ids [N], a text per row of [T, N]. */
export function textKeys({ data, shape: [texts, length] }: HostTensor): string[] {
  return Array.from({ length: texts }, (_, t) => {
    const ids = Int32Array.from(data.subarray(t * length, (t + 1) * length));
    return createHash('sha256')
      .update(new Uint8Array(ids.buffer))
      .digest('hex')
      .slice(0, 2 * keyBytes);
  });
}

/**
 * Texts in a file of records, one after the other as they came. Each carries its key, so where two processes put different texts
 * at one place, that which was overwritten is not there any more and comes again.
 *
 * @param open the file; asked for when it is first needed
 * @param mayGrowTo whether the file may have so many records
 * @param damaged told of records that are
 */
export function textCache({
  open,
  memory,
  mayGrowTo,
  damaged,
}: {
  open: () => Promise<CacheShard>;
  memory: RecordMemory;
  mayGrowTo: (records: number) => Promise<boolean>;
  damaged: (path: string) => void;
}): TextCache {
  let opened: Promise<CacheShard> | undefined;
  const shardOf = () => (opened ??= open());
  /** Places by key, of the first `known` records. */
  const places = new Map<string, number>();
  let known = 0;

  /** Learns what this and other processes have added. */
  async function lookFurther(shard: CacheShard): Promise<void> {
    const count = await shard.count();
    while (known < count) {
      const numbers = Array.from({ length: Math.min(256, count - known) }, (_, i) => known + i);
      const read = await shard.read(numbers);
      if (read.damaged.length > 0) damaged(shard.path);
      read.records.forEach((record, i) => {
        if (!record) return;
        places.set(keyOf(record), numbers[i]);
        memory.put(memoryKey(keyOf(record)), record);
      });
      known += numbers.length;
    }
  }

  return {
    async find(keys) {
      const records = keys.map((key) => memory.get(memoryKey(key)));
      const isLacking = (i: number) => records[i] === undefined;
      const lacking = () => keys.flatMap((key, i) => (isLacking(i) ? [{ key, i }] : []));
      if (lacking().length === 0) return records;
      const shard = await shardOf();
      if (lacking().some(({ key }) => !places.has(key))) await lookFurther(shard);
      const wanted = lacking().filter(({ key }) => places.has(key));
      const read = await shard.read(wanted.map(({ key }) => places.get(key)!));
      if (read.damaged.length > 0) damaged(shard.path);
      wanted.forEach(({ key, i }, k) => {
        const record = read.records[k];
        if (record && keyOf(record) === key) {
          records[i] = record;
          memory.put(memoryKey(key), record);
        } else places.delete(key);
      });
      return records;
    },
    async add(records) {
      for (const [key, record] of records) {
        Buffer.from(record.buffer, record.byteOffset).write(key, sealBytes, 'hex');
        memory.put(memoryKey(key), record);
      }
      const shard = await shardOf();
      const first = Math.max(known, await shard.count());
      if (!(await mayGrowTo(first + records.size))) return;
      const numbered = Array.from(records, ([key, record], i) => ({ key, record, number: first + i }));
      await shard.write(new Map(numbered.map(({ number, record }) => [number, record])));
      for (const { key, number } of numbered) places.set(key, number);
      if (first === known) known += records.size;
    },
    close: async () => {
      const shard = await opened?.catch(() => undefined);
      opened = undefined;
      await shard?.close();
    },
  };
}

function keyOf(record: Uint8Array): string {
  return Buffer.from(record.buffer, record.byteOffset + sealBytes, keyBytes).toString('hex');
}

function memoryKey(key: string): string {
  return `text/${key}`;
}
