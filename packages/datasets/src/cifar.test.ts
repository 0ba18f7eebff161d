import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRegistry, InputError, Registry, Seeds, type Dataset } from '@retort/core';
import { cifar10, cifar100 } from './cifar.js';
import { cifar100Classes, cifar10Classes } from './cifar-classes.js';
import { plugin } from './index.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'retort-cifar-'))));
afterEach(() => rmSync(folder, { recursive: true }));

/** A row of which pixel p has R = seed, G = p mod 256, B = 255 − R − (p ≥ 512). */
function row(labels: number[], seed: number): number[] {
  const planes = [() => seed, (p: number) => p % 256, (p: number) => 255 - seed - Number(p >= 512)];
  return [...labels, ...planes.flatMap((plane) => Array.from({ length: 1024 }, (_, p) => plane(p)))];
}

function write(file: string, rows: number[][]): Buffer {
  const bytes = Buffer.from(rows.flat());
  writeFileSync(join(folder, file), bytes);
  return bytes;
}

async function make(part: typeof cifar10, options: Record<string, unknown>): Promise<Dataset> {
  return part.create(part.options.parse({ root: '.', validation: 0, augment: [], ...options }) as never, {
    scope: createRegistry([]).createScope(),
    seeds: new Seeds(1),
    baseFolder: folder,
    path: 'dataset',
  });
}

/** The error that making the set ends with. */
async function errorOf(part: typeof cifar10, options: Record<string, unknown>): Promise<InputError> {
  const error = await make(part, options).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(InputError);
  expect((error as InputError).where).toBe('dataset');
  return error as InputError;
}

describe('cifar-10', () => {
  it('reads the published rows: label, then planes of red, green and blue', async () => {
    write('a.bin', [row([3], 10), row([9], 20)]);
    write('b.bin', [row([0], 30)]);
    write('t.bin', [row([7], 40)]);
    const dataset = await make(cifar10, { train: ['a.bin', 'b.bin'], test: ['t.bin'] });
    expect(dataset.imageShape).toEqual([32, 32, 3]);
    expect(dataset.sizes).toEqual({ train: 3, validation: 0, test: 1 });

    const batch = await dataset.batch({ split: 'train', epoch: 0, step: 0 });
    const { data, shape } = batch.inputs.image!;
    expect(shape).toEqual([3, 32, 32, 3]);
    expect([...batch.index].sort()).toEqual([0, 1, 2]);
    batch.index.forEach((number, i) => {
      expect(batch.targets.label!.data[i]).toBe([3, 9, 0][number]);
      const red = 10 * (number + 1);
      for (const p of [0, 1, 31, 32, 511, 512, 1023]) {
        const bytes = [red, p % 256, 255 - red - Number(p >= 512)];
        const from = (i * 1024 + p) * 3;
        expect(data.slice(from, from + 3)).toEqual(Float32Array.from(bytes, (byte) => byte / 255));
      }
    });
    const test = await dataset.batch({ split: 'test', epoch: 0, step: 0 });
    expect(test.targets.label!.data).toEqual(Int32Array.of(7));
    expect(Math.round(test.inputs.image!.data[0] * 255)).toBe(40);
  });

  it('reads the published files unless told otherwise', async () => {
    for (const n of [1, 2, 3, 4, 5]) write(`data_batch_${n}.bin`, [row([n], n)]);
    write('test_batch.bin', [row([6], 6), row([7], 7)]);
    expect((await make(cifar10, {})).sizes).toEqual({ train: 5, validation: 0, test: 2 });
  });

  it('has the names and constants of the published set', async () => {
    write('a.bin', [row([0], 0)]);
    const dataset = await make(cifar10, { train: ['a.bin'], test: ['a.bin'] });
    expect(dataset.classes).toEqual(cifar10Classes);
    expect(cifar10Classes).toHaveLength(10);
    expect(cifar10Classes[9]).toBe('truck');
    expect(dataset.normalization.mean).toEqual([0.4914, 0.4822, 0.4465]);
    expect(dataset.normalization.deviation).toEqual([0.247, 0.2435, 0.2616]);
  });

  it('has a fingerprint of its bytes', async () => {
    write('a.bin', [row([0], 0), row([1], 1)]);
    const files = { train: ['a.bin'], test: ['a.bin'] };
    const { fingerprint } = await make(cifar10, files);
    expect((await make(cifar10, files)).fingerprint).toBe(fingerprint);
    write('a.bin', [row([0], 0), row([1], 2)]);
    expect((await make(cifar10, files)).fingerprint).not.toBe(fingerprint);
  });

  it('checks digests', async () => {
    const bytes = write('a.bin', [row([0], 0)]);
    const digest = createHash('sha256').update(bytes).digest('hex');
    const files = { train: ['a.bin'], test: ['a.bin'] };
    expect((await make(cifar10, { ...files, sha256: { 'a.bin': digest } })).sizes.train).toBe(1);
    const error = await errorOf(cifar10, { ...files, sha256: { 'a.bin': '0'.repeat(64) } });
    expect(error.message).toBe(`${join(folder, 'a.bin')} is not the file the manifest asks for`);
    expect(error.text).toContain(digest);
    const stray = await errorOf(cifar10, { ...files, sha256: { 'b.bin': digest } });
    expect(stray.message).toBe('sha256 names b.bin, which is in neither train nor test');
    expect(stray.text).toContain('did you mean "a.bin"?');
  });

  it('names what is wrong with a file', async () => {
    write('a.bin', [row([0], 0)]);
    expect((await errorOf(cifar10, { train: ['none.bin'], test: ['a.bin'] })).message).toBe(
      `no such file: ${join(folder, 'none.bin')}`,
    );
    write('short.bin', [row([0], 0), row([1], 0).slice(0, 100)]);
    expect((await errorOf(cifar10, { train: ['short.bin'], test: ['a.bin'] })).message).toBe(
      `${join(folder, 'short.bin')} has 3173 bytes, which is no whole number of rows of 3073 bytes`,
    );
    write('empty.bin', []);
    expect((await errorOf(cifar10, { train: ['a.bin'], test: ['empty.bin'] })).message).toContain('has 0 bytes');
    write('label.bin', [row([9], 0), row([10], 0)]);
    expect((await errorOf(cifar10, { train: ['a.bin'], test: ['label.bin'] })).message).toBe(
      `${join(folder, 'label.bin')}: row 1 has label 10, but the labels of 10 classes end at 9`,
    );
  });
});

describe('cifar-100', () => {
  it('reads the fine label and the planes after it', async () => {
    write('train.bin', [row([19, 99], 5)]);
    write('test.bin', [row([4, 0], 6)]);
    const dataset = await make(cifar100, {});
    const { targets, inputs } = await dataset.batch({ split: 'train', epoch: 0, step: 0 });
    expect(targets.label!.data).toEqual(Int32Array.of(99));
    expect(Array.from(inputs.image!.data.slice(0, 6), (value) => Math.round(value * 255))).toEqual([
      5, 0, 250, 5, 1, 250,
    ]);
    expect(dataset.classes).toEqual(cifar100Classes);
    expect(dataset.normalization.mean).toEqual([0.5071, 0.4867, 0.4408]);
  });

  it('has a hundred names in alphabetical order', () => {
    expect(new Set(cifar100Classes).size).toBe(100);
    expect(cifar100Classes).toEqual([...cifar100Classes].sort());
    expect([cifar100Classes[0], cifar100Classes[50], cifar100Classes[99]]).toEqual(['apple', 'mouse', 'worm']);
  });

  it('checks fine labels and its own row length', async () => {
    write('train.bin', [row([0, 100], 5)]);
    expect((await errorOf(cifar100, { test: ['train.bin'] })).message).toContain('row 0 has label 100');
    write('train.bin', [row([0], 5)]);
    expect((await errorOf(cifar100, { test: ['train.bin'] })).message).toContain('rows of 3074 bytes');
  });
});

describe('plugin', () => {
  it('registers data sets whose every option is described', () => {
    const parts = new Registry().use(plugin).list('dataset');
    expect(parts.map(({ part }) => part.name)).toEqual([
      'cifar-10',
      'cifar-100',
      'image-folder',
      'scenes',
      'captioned-scenes',
      'captions',
      'grounding',
      'arithmetic',
    ]);
    for (const { part } of parts) {
      for (const option of Object.values(part.options.shape)) expect(option.description).toMatch(/\w/);
    }
  });
});
