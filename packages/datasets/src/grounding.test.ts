import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Batch, type Dataset } from '@retort/core';
import sharp from 'sharp';
import { encoded, makeDataset, refusal, rowsOf } from './test-support/make-dataset.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-grounding-'));
  for (const name of ['JPEGImages', 'Annotations']) mkdirSync(join(folder, name));
});
afterEach(() => rmSync(folder, { recursive: true }));

interface Written {
  box: number[];
  phrase: string;
}

/** Writes an image that is white in its first object's box and black elsewhere, and its annotation. */
async function writeImage(name: string, objects: Written[], { width = 40, height = 20 } = {}): Promise<void> {
  const pixels = new Uint8Array(width * height * 3);
  const [left, top, right, bottom] = objects[0].box;
  for (let y = top; y < bottom; y++) pixels.fill(255, (y * width + left) * 3, (y * width + right) * 3);
  await sharp(pixels, { raw: { width, height, channels: 3 } }).toFile(join(folder, 'JPEGImages', `${name}.png`));
  writeXml(name, xmlOf(`${name}.png`, objects, width, height));
}

const writeXml = (name: string, text: string) => writeFileSync(join(folder, 'Annotations', `${name}.xml`), text);
const writeSplit = (file: string, ...numbers: (number | string)[]) =>
  writeFileSync(join(folder, file), numbers.map((number) => `${number}\n`).join(''));

function xmlOf(file: string, objects: Written[], width = 40, height = 20): string {
  const described = objects.map(
    ({ box: [xmin, ymin, xmax, ymax], phrase }) => `
  <object>
    <name>ship</name>
    <pose>Unspecified</pose>
    <bndbox><xmin>${xmin}</xmin><ymin>${ymin}</ymin><xmax>${xmax}</xmax><ymax>${ymax}</ymax></bndbox>
    <description>${phrase}</description>
  </object>`,
  );
  return `<?xml version="1.0"?>
<annotation>
  <folder>DIOR</folder><filename>${file}</filename>
  <size><width>${width}</width><height>${height}</height><depth>3</depth></size>${described.join('')}
</annotation>
`;
}

/** Three images of five objects: 0 and 1; 2; 3 and 4. */
async function writeSet(): Promise<void> {
  await writeImage('b', [{ box: [4, 6, 12, 10], phrase: 'a ship' }], { width: 20, height: 40 });
  await writeImage('c', [
    { box: [0, 0, 40, 20], phrase: 'all &amp; everything' },
    { box: [1, 2, 3, 4], phrase: '' },
  ]);
  await writeImage('a', [
    { box: [20, 10, 30, 20], phrase: 'the ship on the right' },
    { box: [2, 2, 8, 6], phrase: 'the other ship' },
  ]);
  writeSplit('train.txt', 0, 2);
  writeSplit('val.txt', 1);
  writeSplit('test.txt', 4, 3);
}

const written = { use: 'grounding', root: '.', size: 20 };
const make = (options: Record<string, unknown> = {}): Promise<Dataset> =>
  makeDataset({ ...written, ...options }, { baseFolder: folder });
const refused = () => refusal(written, folder);

const boxes = ({ targets, size }: Batch) =>
  Array.from({ length: size }, (_, i) =>
    [...targets.box!.data.slice(4 * i, 4 * i + 4)].map((value) => Math.round(value * 1e5) / 1e5),
  );

describe('grounding', () => {
  it('reads phrases, boxes and the published splits of object numbers', async () => {
    await writeSet();
    const dataset = await make();
    expect(dataset.sizes).toEqual({ train: 2, validation: 1, test: 2 });
    expect(dataset.views).toBe(1);
    const test = await dataset.batch({ split: 'test', epoch: 0, step: 0 });
    expect([...test.index]).toEqual([4, 3]);
    expect(rowsOf(test)).toEqual(encoded(dataset, ['', 'all & everything']));
    expect(Object.keys(test.targets)).toEqual(['box']);
    // 40 x 20 becomes 20 x 10, 5 pixels below the top.
    expect(boxes(test)).toEqual([
      [0.025, 0.3, 0.075, 0.35],
      [0, 0.25, 1, 0.75],
    ]);
    const validation = await dataset.batch({ split: 'validation', epoch: 0, step: 0 });
    expect(rowsOf(validation)).toEqual(encoded(dataset, ['the other ship']));
  });

  it.each([
    ['wide', { width: 40, height: 20 }, [20, 10, 30, 20]],
    ['high', { width: 20, height: 40 }, [4, 6, 12, 10]],
    ['square', { width: 80, height: 80 }, [40, 60, 80, 80]],
  ])('resizes %s images with their boxes', async (_, size, box) => {
    await writeImage('a', [{ box, phrase: 'a' }], size);
    await writeImage('b', [{ box, phrase: 'a' }], size);
    writeSplit('train.txt', 0);
    writeSplit('test.txt', 1);
    const dataset = await make({ validation: 0 });
    const batch = await dataset.batch({ split: 'test', epoch: 0, step: 0 });
    const [left, top, right, bottom] = boxes(batch)[0].map((value) => value * 20);
    const { data } = batch.inputs.image!;
    // White is just where the box is, but for what resizing blurs at its rim.
    for (let y = 0; y < 20; y++) {
      for (let x = 0; x < 20; x++) {
        const isInside = x >= left + 1 && x + 1 <= right - 1 && y >= top + 1 && y + 1 <= bottom - 1;
        const isOutside = x + 1 <= left - 1 || x >= right + 1 || y + 1 <= top - 1 || y >= bottom + 1;
        const value = data[(y * 20 + x) * 3];
        if (isInside) expect(value).toBeGreaterThan(0.9);
        if (isOutside) expect(value).toBeLessThan(0.1);
      }
    }
  });

  it('holds out whole images where there is no val.txt', async () => {
    for (let i = 0; i < 10; i++) {
      const objects = [0, 1, 2].map((k) => ({ box: [k, k, k + 5, k + 5], phrase: `ship ${k}` }));
      await writeImage(`${i}`, objects);
    }
    writeSplit('train.txt', ...Array.from({ length: 27 }, (_, i) => i));
    writeSplit('test.txt', 27, 28, 29);
    const dataset = await make({ validation: 0.34 });
    expect(dataset.sizes).toEqual({ train: 18, validation: 9, test: 3 });
    const { index } = await dataset.batch({ split: 'validation', epoch: 0, step: 0 });
    const images = [...index].map((number) => Math.floor(number / 3));
    expect(new Set(images).size).toBe(3);
  });

  it('crops without cutting boxes', async () => {
    await writeSet();
    const dataset = await make({ augment: ['crop'], padding: 8 });
    const plain = await dataset.batch({ split: 'train', epoch: 0, step: 0 }, { augment: false });
    const before = new Map(boxes(plain).map((box, i) => [plain.index[i], box]));
    for (let epoch = 0; epoch < 10; epoch++) {
      const batch = await dataset.batch({ split: 'train', epoch, step: 0 });
      boxes(batch).forEach((box, i) => {
        const old = before.get(batch.index[i])!;
        expect(Math.min(...box)).toBeGreaterThanOrEqual(0);
        expect(Math.max(...box)).toBeLessThanOrEqual(1);
        expect(box[2] - box[0]).toBeCloseTo(old[2] - old[0], 4);
        expect(box[3] - box[1]).toBeCloseTo(old[3] - old[1], 4);
      });
    }
  });
});

describe('grounding refuses', () => {
  beforeEach(writeSet);

  it.each([
    [
      'a box outside',
      [10, 10, 41, 12],
      'b.xml: object 1 (ship): its box 10, 10, 41, 12 reaches outside the image, 40 x 20',
    ],
    ['a negative box', [-1, 10, 20, 12], 'b.xml: object 1 (ship): its box -1, 10, 20, 12 reaches outside'],
    ['an empty box', [10, 10, 10, 12], 'b.xml: object 1 (ship): its box 10, 10, 10, 12 is empty'],
    ['a box upside down', [10, 14, 12, 12], 'b.xml: object 1 (ship): its box 10, 14, 12, 12 is empty'],
  ])('%s', async (_, box, message) => {
    writeXml('b', xmlOf('b.png', [{ box, phrase: 'a' }]));
    expect(await refused()).toContain(message);
  });

  it('annotations that are damaged or lack something', async () => {
    const good = xmlOf('b.png', [{ box: [4, 6, 12, 10], phrase: 'a ship' }]);
    writeXml('b', good.slice(0, 200));
    expect(await refused()).toContain('b.xml is not XML: ');
    writeXml('b', good.replace('<description>a ship</description>', ''));
    expect(await refused()).toContain('b.xml: annotation object 1 description: ');
    writeXml('b', good.replace('<xmax>12</xmax>', '<xmax>twelve</xmax>'));
    expect(await refused()).toContain('b.xml: annotation object 1 bndbox xmax: expected a number');
    writeXml('b', good.replace('b.png', 'z.png'));
    expect(await refused()).toContain('b.xml: object 1 (ship): no image ');
  });

  it('an image of another size than its annotation says', async () => {
    writeXml('b', xmlOf('b.png', [{ box: [4, 6, 12, 10], phrase: 'a ship' }], 21, 40));
    expect(await refused()).toContain('b.png is 20 x 40 pixels, its annotation says 21 x 40');
  });

  it('split files that do not match', async () => {
    writeSplit('test.txt', 3, 5);
    expect(await refused()).toContain('test.txt:2: object 5, but the annotations have objects 0 to 4');
    writeSplit('test.txt', 3, 2);
    expect(await refused()).toContain('test.txt:2: object 2 is in train.txt:2 already');
    writeSplit('test.txt', 3, 'four');
    expect(await refused()).toContain('test.txt:2: "four" is no object number');
    rmSync(join(folder, 'test.txt'));
    expect(await refused()).toContain('no such file: ');
    rmSync(join(folder, 'Annotations'), { recursive: true });
    mkdirSync(join(folder, 'Annotations'));
    expect(await refused()).toContain('no .xml files in ');
  });

  it('flip, which would make left of right', async () => {
    expect(await refusal({ ...written, augment: ['flip'] }, folder)).toContain('boxes and phrases cannot follow flip');
  });
});
