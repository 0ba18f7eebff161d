import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Batch, type Dataset } from '@retort/core';
import sharp from 'sharp';
import { encoded, makeDataset, refusal, rowsOf } from './test-support/make-dataset.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'retort-captions-'))));
afterEach(() => rmSync(folder, { recursive: true }));

/** Writes images of one gray each. */
async function writeImages(grays: Record<string, number>): Promise<void> {
  for (const [file, gray] of Object.entries(grays)) {
    const path = join(folder, file);
    mkdirSync(dirname(path), { recursive: true });
    const background = { r: gray, g: gray, b: gray };
    await sharp({ create: { width: 20, height: 12, channels: 3, background } }).toFile(path);
  }
}

const write = (file: string, content: unknown) => {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), typeof content === 'string' ? content : JSON.stringify(content));
};

const sentences = (...raws: string[]) => raws.map((raw, sentid) => ({ raw, tokens: raw.split(' '), sentid }));
const image = (filename: string, split: string, ...raws: string[]) => ({
  filename,
  split,
  sentences: sentences(...raws),
});

const written = {
  use: 'captions',
  layout: 'rsitmd',
  captions: 'captions.json',
  images: 'images',
  size: 8,
  augment: [],
};
const make = (options: Record<string, unknown> = {}, seed = 1): Promise<Dataset> =>
  makeDataset({ ...written, validation: 0, ...options }, { seed, baseFolder: folder });
const refused = (options: Record<string, unknown> = {}) => refusal({ ...written, validation: 0, ...options }, folder);

const graysOf = ({ inputs, size }: Batch) =>
  Array.from({ length: size }, (_, i) => Math.round(inputs.image!.data[i * 192] * 255));

/** Texts of every image of a batch, as rows of ids. */
function textsByImage(batch: Batch): number[][][] {
  const rows = rowsOf(batch);
  const owner = batch.targets.imageOfText?.data ?? rows.map((_, i) => i);
  return Array.from({ length: batch.size }, (_, i) => rows.filter((_, text) => owner[text] === i));
}

const four = [
  image('boat_1.tif', 'train', 'a boat', 'the gray boat', 'one boat'),
  image('boat_2.tif', 'test', 'two boats', 'boats', ''),
  image('park_1.png', 'train', 'a park', 'trees of a park', 'green trees'),
  image('park_2.png', 'val', 'the park'),
];
const fourGrays = {
  'images/boat_1.tif': 10,
  'images/boat_2.tif': 80,
  'images/park_1.png': 150,
  'images/park_2.png': 220,
};

describe('captions', () => {
  it.each(['rsitmd', 'rsicd'])('reads %s: splits and captions of one file', async (layout) => {
    await writeImages(fourGrays);
    write('captions.json', { dataset: layout, images: four });
    const dataset = await make({ layout });
    expect(dataset.sizes).toEqual({ train: 2, validation: 1, test: 1 });
    expect(dataset.classes).toEqual([]);
    expect(dataset.imageShape).toEqual([8, 8, 3]);
    expect(dataset.normalization.mean[0]).toBeCloseTo(80 / 255, 6);

    const test = await dataset.batch({ split: 'test', epoch: 0, step: 0 });
    expect(graysOf(test)).toEqual([80]);
    expect([...test.index]).toEqual([1]);
    // The blank caption stays: a text of no words.
    expect(rowsOf(test)).toEqual(encoded(dataset, ['two boats', 'boats', '']));
    expect([...test.targets.imageOfText!.data]).toEqual([0, 0, 0]);

    const validation = await dataset.batch({ split: 'validation', epoch: 0, step: 0 });
    expect(graysOf(validation)).toEqual([220]);
    expect(rowsOf(validation)).toEqual(encoded(dataset, ['the park']));
    expect(validation.targets).toEqual({});

    expect(dataset.views).toBe(1);
    const shown = new Map<number, Set<string>>();
    for (let epoch = 0; epoch < 3; epoch++) {
      const train = await dataset.batch({ split: 'train', epoch, step: 0 });
      expect(train.targets).toEqual({});
      graysOf(train).forEach((gray, i) => {
        expect(gray).toBe(train.index[i] === 0 ? 10 : 150);
        shown.set(gray, (shown.get(gray) ?? new Set()).add(rowsOf(train)[i].join()));
      });
    }
    expect(shown.get(10)).toEqual(
      new Set(encoded(dataset, ['a boat', 'the gray boat', 'one boat']).map((row) => row.join())),
    );
    expect(shown.get(150)).toEqual(
      new Set(encoded(dataset, ['a park', 'trees of a park', 'green trees']).map((row) => row.join())),
    );
  });

  it("reads Karpathy's files: folders of images, and restval", async () => {
    await writeImages({ 'images/val2014/a.png': 10, 'images/train2014/b.png': 90 });
    write('captions.json', {
      images: [
        { ...image('a.png', 'restval', 'a'), filepath: 'val2014' },
        { ...image('b.png', 'test', 'b', 'b b'), filepath: 'train2014' },
      ],
    });
    expect((await make()).sizes).toEqual({ train: 1, validation: 0, test: 1 });
  });

  it('reads COCO: a file and a folder for each split, captions by image id, in the order of the annotations', async () => {
    await writeImages({ 'train2017/1.png': 10, 'train2017/2.png': 20, 'val2017/1.png': 90 });
    write('train.json', {
      info: {},
      images: [
        { id: 7, file_name: '1.png', height: 12 },
        { id: 5, file_name: '2.png' },
      ],
      annotations: [
        { image_id: 5, id: 1, caption: 'a cat' },
        { image_id: 7, id: 2, caption: 'a dog' },
        { image_id: 5, id: 3, caption: 'cats' },
      ],
    });
    write('val.json', { images: [{ id: 7, file_name: '1.png' }], annotations: [{ image_id: 7, caption: 'a cow' }] });
    const dataset = await make({
      layout: 'coco',
      captions: { train: 'train.json', test: 'val.json' },
      images: { train: 'train2017', test: 'val2017' },
      validation: 0.5,
    });
    expect(dataset.sizes).toEqual({ train: 1, validation: 1, test: 1 });
    const seen = await Promise.all(
      (['train', 'validation', 'test'] as const).map((split) => dataset.batch({ split, epoch: 0, step: 0 })),
    );
    const texts = new Map(seen.flatMap((batch) => graysOf(batch).map((gray, i) => [gray, textsByImage(batch)[i]])));
    expect(texts.get(90)).toEqual(encoded(dataset, ['a cow']));
    const [trained, held] = [seen[0].index[0], seen[1].index[0]].map((index) => [10, 20][index]);
    expect(texts.get(held)).toEqual(encoded(dataset, held === 20 ? ['a cat', 'cats'] : ['a dog']));
    expect(encoded(dataset, trained === 20 ? ['a cat', 'cats'] : ['a dog'])).toEqual(
      expect.arrayContaining(texts.get(trained)!),
    );
  });

  it('reads a caption a line, with names for each image or for each caption, and keeps blank lines', async () => {
    await writeImages({ 'images/a.png': 10, 'images/b.png': 20, 'images/c.png': 90 });
    write('lines/train_caps.txt', 'one\ntwo\n\nfour\n\n\n');
    write('lines/train_filename.txt', 'a.png\nb.png\n');
    write('lines/test_caps.txt', 'one\r\ntwo\r\n');
    write('lines/test_filename.txt', 'c.png\nc.png');
    const dataset = await make({ layout: 'lines', captions: 'lines', captionsPerImage: undefined });
    expect(dataset.sizes).toEqual({ train: 2, validation: 0, test: 1 });
    const test = await dataset.batch({ split: 'test', epoch: 0, step: 0 });
    expect(rowsOf(test)).toEqual(encoded(dataset, ['one', 'two']));
    const held = await make({ layout: 'lines', captions: 'lines', captionsPerImage: undefined, limit: { train: 1 } });
    expect(held.sizes.train).toBe(1);

    const rows = new Map<number, Set<string>>();
    for (let epoch = 0; epoch < 6; epoch++) {
      const batch = await dataset.batch({ split: 'train', epoch, step: 0 });
      graysOf(batch).forEach((gray, i) => rows.set(gray, (rows.get(gray) ?? new Set()).add(rowsOf(batch)[i].join())));
    }
    expect(rows.get(10)).toEqual(new Set(encoded(dataset, ['one', 'two', '']).map((row) => row.join())));
    expect(rows.get(20)).toEqual(new Set(encoded(dataset, ['four', '']).map((row) => row.join())));
  });

  it('shifts but does not mirror train images unless asked', async () => {
    await writeImages({ 'images/b.png': 90 });
    const half = Buffer.concat([Buffer.alloc(8 * 4 * 3, 0), Buffer.alloc(8 * 4 * 3, 0)]);
    for (let i = 0; i < half.length; i += 3) if ((i / 3) % 8 >= 4) half.fill(255, i, i + 3);
    await sharp(half, { raw: { width: 8, height: 8, channels: 3 } }).toFile(join(folder, 'images/a.png'));
    write('captions.json', { images: [image('a.png', 'train', 'a'), image('b.png', 'test', 'b')] });
    const dataset = await makeDataset(
      {
        use: 'captions',
        layout: 'rsitmd',
        captions: 'captions.json',
        images: 'images',
        size: 8,
        validation: 0,
        padding: 1,
      },
      { baseFolder: folder },
    );
    const lefts = new Set<string>();
    for (let epoch = 0; epoch < 12; epoch++) {
      const { data } = (await dataset.batch({ split: 'train', epoch, step: 0 })).inputs.image!;
      const row = Array.from({ length: 8 }, (_, x) => data[(4 * 8 + x) * 3]);
      lefts.add(row.join(''));
      // The left half is dark whichever way it was shifted.
      expect(row.slice(0, 3)).toEqual([0, 0, 0]);
    }
    expect(lefts.size).toBeGreaterThan(1);
  });

  it('has a fingerprint of images, captions, splits and tokenizer', async () => {
    await writeImages(fourGrays);
    const fingerprintWith = async (images: unknown[], options = {}, seed = 1) => {
      write('captions.json', { images });
      return (await make(options, seed)).fingerprint;
    };
    const first = await fingerprintWith(four);
    expect(await fingerprintWith(four, {}, 2)).toBe(first);
    const others = [
      await fingerprintWith([
        { ...four[0], sentences: sentences('a boat', 'the boat gray', 'one boat') },
        ...four.slice(1),
      ]),
      await fingerprintWith([...four.slice(0, 3), { ...four[3], split: 'test' }]),
      await fingerprintWith(four, { tokenizer: { use: 'words', contextLength: 12 } }),
    ];
    await writeImages({ 'images/park_1.png': 151 });
    others.push(await fingerprintWith(four));
    expect(new Set([first, ...others]).size).toBe(5);
  });
});

describe('captions refuses', () => {
  beforeEach(() => writeImages(fourGrays));

  const cases: [string, unknown, string][] = [
    ['damaged JSON', '{"images": [', 'captions.json is not JSON: '],
    ['another structure', { pictures: [] }, 'captions.json: images: Invalid input'],
    [
      'an entry of another type',
      { images: [four[0], { ...four[1], sentences: [{ raw: 3 }] }] },
      'captions.json: images[1].sentences[0].raw: ',
    ],
    [
      'an image without captions',
      { images: [four[0], image('boat_2.tif', 'test')] },
      'captions.json: images[1]: boat_2.tif has no captions',
    ],
    [
      'an image that is not there',
      { images: [...four, image('boat_9.tif', 'train', 'a')] },
      'captions.json: images[4]: no image ',
    ],
    [
      'a split of another name',
      { images: [image('boat_1.tif', 'dev', 'a')] },
      'captions.json: images[0]: boat_1.tif is in a split "dev"',
    ],
    [
      'an image named twice',
      { images: [...four, image('boat_1.tif', 'test', 'a')] },
      'captions.json: images[4]: boat_1.tif is there already, as captions.json: images[0]',
    ],
    ['no test images', { images: [four[0]] }, 'the captions have no test images'],
  ];
  it.each(cases)('%s', async (_, content, message) => {
    write('captions.json', content);
    expect(await refused()).toContain(message);
  });

  it('another number of captions than asked', async () => {
    write('captions.json', { images: four });
    expect(await refused({ captionsPerImage: 3 })).toContain(
      'captions.json: images[3]: park_2.png has 1 captions, not 3',
    );
  });

  it('lines that do not match', async () => {
    write('lines/test_caps.txt', 'one\n');
    write('lines/test_filename.txt', 'boat_2.tif\n');
    write('lines/train_caps.txt', 'one\ntwo\n\nfour\nfive\n');
    write('lines/train_filename.txt', 'boat_1.tif\npark_1.png\n');
    const lines = { layout: 'lines', captions: 'lines' };
    expect(await refused(lines)).toContain('train_caps.txt has 5 lines, train_filename.txt 2: not equally many');
    write('lines/train_filename.txt', '\n');
    expect(await refused(lines)).toContain('train_filename.txt:1: a line without a name');
    write('lines/train_filename.txt', '');
    expect(await refused(lines)).toContain('train_filename.txt is empty');
    rmSync(join(folder, 'lines/train_caps.txt'));
    expect(await refused(lines)).toContain('no such file: ');
  });

  it('COCO annotations of images that are not listed, and ids that are taken', async () => {
    const coco = { layout: 'coco', captions: { train: 'coco.json', test: 'coco.json' } };
    const images = [{ id: 1, file_name: 'boat_1.tif' }];
    write('coco.json', { images, annotations: [{ image_id: 2, caption: 'a' }] });
    expect(await refused(coco)).toContain('coco.json: annotations[0] is of image 2, which is not in images');
    write('coco.json', { images: [...images, { id: 1, file_name: 'boat_2.tif' }], annotations: [] });
    expect(await refused(coco)).toContain('coco.json: images[1]: boat_2.tif has the id 1 of boat_1.tif');
    expect(await refused({ layout: 'coco' })).toContain('COCO has a file for each split');
    expect(await refused({ ...coco, layout: 'lines' })).toContain('the layout lines is one folder for all splits');
  });

  it('an image that cannot be decoded', async () => {
    write('captions.json', { images: four });
    write('images/boat_1.tif', 'not an image');
    expect(await refused()).toContain('boat_1.tif: ');
  });
});
