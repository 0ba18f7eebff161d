import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createRegistry, InputError, Registry, resolvePart, Seeds, type Batch, type Dataset } from '@retort/core';
import sharp from 'sharp';
import { imageFolder } from './image-folder.js';
import { plugin } from './index.js';
import { clipFile } from './test-support/clip-file.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'retort-folder-'))));
afterEach(() => rmSync(folder, { recursive: true }));

/** Writes an image of one color. */
async function writeColor(file: string, [r, g, b]: number[], { width = 16, height = 16 } = {}): Promise<void> {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  await sharp({ create: { width, height, channels: 3, background: { r, g, b } } }).toFile(join(folder, file));
}

async function make(options: Record<string, unknown> = {}, seed = 1): Promise<Dataset> {
  return imageFolder.create(
    imageFolder.options.parse({ root: '.', size: 8, validation: 0, augment: [], ...options }) as never,
    { scope: createRegistry([plugin]).createScope(), seeds: new Seeds(seed), baseFolder: folder, path: 'dataset' },
  );
}

async function messageFor(options: Record<string, unknown> = {}): Promise<string> {
  const error = await make(options).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(InputError);
  return (error as InputError).message;
}

/** The first pixel of every image as bytes. */
const colorsOf = ({ inputs, size }: Batch) =>
  Array.from({ length: size }, (_, i) =>
    Array.from(inputs.image!.data.slice(i * 192, i * 192 + 3), (value) => Math.round(value * 255)),
  );

describe('image-folder', () => {
  it('takes classes from sorted folder names and images from sorted files', async () => {
    await writeColor('train/pond/2.png', [0, 0, 200]);
    await writeColor('train/pond/10.png', [0, 0, 100]);
    await writeColor('train/Forest/x.JPG', [0, 128, 0]);
    await writeColor('test/pond/1.png', [0, 0, 150]);
    await writeColor('test/Forest/1.jpeg', [0, 64, 0]);
    writeFileSync(join(folder, 'train/pond/notes.txt'), 'no image');
    const dataset = await make();
    expect(dataset.classes).toEqual(['Forest', 'pond']);
    expect(dataset.imageShape).toEqual([8, 8, 3]);
    expect(dataset.sizes).toEqual({ train: 3, validation: 0, test: 2 });

    const train = await dataset.batch({ split: 'train', epoch: 0, step: 0 });
    const colors = colorsOf(train);
    expect([...train.index].sort()).toEqual([0, 1, 2]);
    train.index.forEach((number, i) => {
      expect(train.targets.label!.data[i]).toBe([0, 1, 1][number]);
      // "10.png" comes before "2.png".
      const expected = [
        [0, 128, 0],
        [0, 0, 100],
        [0, 0, 200],
      ][number];
      // JPEG is exact to a step or two.
      colors[i].forEach((value, c) => expect(Math.abs(value - expected[c])).toBeLessThanOrEqual(2));
    });
    const test = await dataset.batch({ split: 'test', epoch: 0, step: 0 });
    expect([...test.targets.label!.data]).toEqual([0, 1]);
    expect(colorsOf(test)[1]).toEqual([0, 0, 150]);
  });

  it('scales to cover the square and keeps the center', async () => {
    // Red, green, blue thirds side by side: the middle square is green.
    const thirds = Buffer.from(
      Array.from({ length: 10 * 30 }, (_, i) =>
        [0, 1, 2].map((c) => (Math.floor((i % 30) / 10) === c ? 255 : 0)),
      ).flat(),
    );
    mkdirSync(join(folder, 'train/a'), { recursive: true });
    await sharp(thirds, { raw: { width: 30, height: 10, channels: 3 } })
      .png()
      .toFile(join(folder, 'train/a/1.png'));
    await writeColor('test/a/1.png', [1, 2, 3], { width: 5, height: 9 });
    const dataset = await make({ size: 10 });
    const { data } = (await dataset.batch({ split: 'train', epoch: 0, step: 0 })).inputs.image!;
    expect(data).toEqual(Float32Array.from({ length: 300 }, (_, i) => Number(i % 3 === 1)));
  });

  it('reads gray and transparent images as RGB', async () => {
    await writeColor('train/a/color.png', [10, 20, 30]);
    await sharp({ create: { width: 8, height: 8, channels: 3, background: { r: 90, g: 90, b: 90 } } })
      .toColourspace('b-w')
      .png()
      .toFile(join(folder, 'train/a/gray.png'));
    await sharp({ create: { width: 8, height: 8, channels: 4, background: { r: 200, g: 100, b: 50, alpha: 0 } } })
      .png()
      .toFile(join(folder, 'train/a/transparent.png'));
    await writeColor('test/a/1.png', [0, 0, 0]);
    const dataset = await make();
    const batch = await dataset.batch({ split: 'train', epoch: 0, step: 0 });
    const colors = colorsOf(batch);
    expect([0, 1, 2].map((number) => colors[batch.index.indexOf(number)])).toEqual([
      [10, 20, 30],
      [90, 90, 90],
      [0, 0, 0],
    ]);
  });

  it('carves a stratified test split out of a single folder', async () => {
    for (let i = 0; i < 10; i++) {
      await writeColor(`a/${i}.png`, [i, 0, 0]);
      await writeColor(`b/${i}.png`, [100 + i, 0, 0]);
    }
    const dataset = await make({ test: 0.2, validation: 0.25 });
    expect(dataset.sizes).toEqual({ train: 12, validation: 4, test: 4 });
    const numbers: number[] = [];
    for (const split of ['train', 'validation', 'test'] as const) {
      const batch = await dataset.batch({ split, epoch: 0, step: 0 });
      const labels = [...batch.targets.label!.data];
      expect(labels.filter((label) => label === 0)).toHaveLength(batch.size / 2);
      colorsOf(batch).forEach(([red], i) => expect(red).toBe(labels[i] * 100 + (batch.index[i] % 10)));
      numbers.push(...batch.index);
    }
    expect(new Set(numbers).size).toBe(20);
    expect((await make({ test: 0.2, validation: 0.25 }, 2)).fingerprint).toBe(dataset.fingerprint);
    expect((await make({ test: 0.3, validation: 0.25 })).fingerprint).not.toBe(dataset.fingerprint);
    expect(await messageFor({ test: 0.01 })).toBe('test: 0.01 of 20 images leaves an empty test split');
  });

  it('deals all images into folds, each of which is the test split once', async () => {
    for (let i = 0; i < 6; i++) {
      await writeColor(`train/a/${i}.png`, [i, 0, 0]);
      await writeColor(`train/b/${i}.png`, [50 + i, 0, 0]);
      // The names are those of train images.
      await writeColor(`test/a/${i}.png`, [100 + i, 0, 0]);
      if (i < 3) await writeColor(`test/b/${i}.png`, [150 + i, 0, 0]);
    }
    const reds: number[] = [];
    const fingerprints = new Set<string>();
    for (let fold = 0; fold < 3; fold++) {
      const dataset = await make({ folds: 3, fold, validation: 0.2 });
      // 12 of a and 9 of b: 4 and 3 a fold, then of 8 and 6 a fifth.
      expect(dataset.sizes).toEqual({ train: 11, validation: 3, test: 7 });
      fingerprints.add(dataset.fingerprint);
      const own: number[] = [];
      for (const split of ['train', 'validation', 'test'] as const) {
        const batch = await dataset.batch({ split, epoch: 0, step: 0 });
        const found = colorsOf(batch).map(([red]) => red);
        found.forEach((red, i) => expect(batch.targets.label!.data[i]).toBe(Math.floor(red / 50) % 2));
        own.push(...found);
        if (split === 'test') reds.push(...found);
      }
      expect(new Set(own).size).toBe(21);
    }
    expect(new Set(reds).size).toBe(21);
    expect(fingerprints.size).toBe(3);
    const other = await (await make({ folds: 3, dataSeed: 1 })).batch({ split: 'test', epoch: 0, step: 0 });
    expect(colorsOf(other).map(([red]) => red)).not.toEqual(reds.slice(0, 7));
  });

  it('deals a single folder of classes into folds too, and names folds that are none', async () => {
    for (let i = 0; i < 4; i++) await writeColor(`a/${i}.png`, [i, 0, 0]);
    expect((await make({ folds: 4, fold: 3 })).sizes).toEqual({ train: 3, validation: 0, test: 1 });
    expect(await messageFor({ folds: 4, fold: 4 })).toBe('fold: 4 of 4 folds, which are counted from 0');
    expect(await messageFor({ fold: 1 })).toBe('fold: 1 without folds');
    expect(await messageFor({ folds: 5, fold: 4 })).toBe('folds: 5 of 4 images leave an empty test split');
  });

  it('has prompts of its classes with a tokenizer, and no tokens in batches', async () => {
    await writeColor('train/SeaLake/1.png', [0, 51, 255]);
    await writeColor('train/Forest/1.png', [0, 153, 255]);
    await writeColor('test/Forest/1.png', [9, 9, 9]);
    const registry = new Registry().use(plugin);
    const options = { prompts: ['aerial view of {}.'], names: { Forest: 'woods' } };
    const tokenizer = resolvePart(registry, 'tokenizer', 'words', 'dataset.tokenizer');
    const dataset = await make({ ...options, tokenizer });
    expect(dataset.text!.prompts).toEqual([['aerial view of woods.'], ['aerial view of sea lake.']]);
    expect(dataset.text!.tokenizer.encode(dataset.text!.prompts.flat()).shape).toEqual([2, 8]);
    expect((await dataset.batch({ split: 'test', epoch: 0, step: 0 })).inputs).not.toHaveProperty('tokens');
    expect(dataset.fingerprint).not.toBe((await make()).fingerprint);

    // A vocabulary without z.
    const signs = [...'abcdefghijklmnopqrstuvwxy.'];
    writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(clipFile([['l', 'a']], signs)));
    const clip = resolvePart(registry, 'tokenizer', { use: 'clip-bpe', file: 'tokenizer.json' }, 'dataset.tokenizer');
    expect((await make({ ...options, tokenizer: clip })).text!.tokenizer.vocabularySize).toBe(2 * 26 + 3);
    expect(await messageFor({ ...options, names: { Forest: 'plaza' }, tokenizer: clip })).toBe(
      'the vocabulary lacks "plaza" of the text "aerial view of plaza."',
    );
  });

  it('computes mean and deviation over train images', async () => {
    await writeColor('train/a/1.png', [0, 51, 255]);
    await writeColor('train/a/2.png', [0, 153, 255]);
    await writeColor('test/a/1.png', [9, 9, 9]);
    const { mean, deviation } = (await make()).normalization;
    [0, 0.4, 1].forEach((value, c) => expect(mean[c]).toBeCloseTo(value, 12));
    // A constant channel has one step of a byte.
    [1 / 255, 0.2, 1 / 255].forEach((value, c) => expect(deviation[c]).toBeCloseTo(value, 12));
  });

  it('gives the same bytes with and without memory for decoded images, and a fingerprint of the files', async () => {
    await writeColor('train/a/1.png', [0, 51, 255]);
    await writeColor('train/a/2.png', [0, 153, 255]);
    await writeColor('test/a/1.png', [9, 9, 9]);
    const address = { split: 'train', epoch: 1, step: 0 } as const;
    const [cached, uncached] = [await make(), await make({ cacheMegabytes: 0 })];
    expect(await uncached.batch(address)).toEqual(await cached.batch(address));
    expect(await cached.batch(address)).toEqual(await cached.batch(address));
    expect(uncached.fingerprint).toBe(cached.fingerprint);
    await writeColor('test/a/1.png', [9, 9, 8]);
    expect((await make()).fingerprint).not.toBe(cached.fingerprint);
  });

  it('names what is wrong with a folder or an image', async () => {
    expect(await messageFor({ root: 'nowhere' })).toContain(`cannot read the folder ${join(folder, 'nowhere')}`);
    expect(await messageFor()).toBe(`no class folders in ${folder}`);
    await writeColor('train/a/1.png', [0, 0, 0]);
    await writeColor('test/a/1.png', [0, 0, 0]);
    mkdirSync(join(folder, 'train/b'));
    expect(await messageFor()).toBe(`class folder ${join(folder, 'train', 'b')} has no .jpg, .jpeg, .png files`);
    rmSync(join(folder, 'train/b'), { recursive: true });

    await writeColor('test/c/1.png', [0, 0, 0]);
    expect(await messageFor()).toBe(
      `${join(folder, 'test', 'c')} is no class: ${join(folder, 'train')} has no such folder`,
    );
    rmSync(join(folder, 'test/c'), { recursive: true });

    writeFileSync(join(folder, 'train/a/broken.jpg'), 'not an image');
    expect(await messageFor()).toContain(`cannot decode the image ${join(folder, 'train', 'a', 'broken.jpg')}`);
  });
});
