import { sha256, type Batch, type Dataset } from '@retort/core';
import { sceneClasses } from './scene.js';
import { makeDataset, refusal, rowsOf } from './test-support/make-dataset.js';

const make = (options: Record<string, unknown> = {}, seed = 1): Promise<Dataset> =>
  makeDataset({ use: 'captioned-scenes', train: 72, test: 24, batchSize: 24, ...options }, { seed });

const test = { split: 'test', epoch: 0, step: 0 } as const;
const train = (epoch: number, step = 0) => ({ split: 'train', epoch, step }) as const;

/** The row of tokens of every train sample in an epoch, by sample number. */
async function shownIn(dataset: Dataset, epoch: number): Promise<Map<number, string>> {
  const found = new Map<number, string>();
  for (let step = 0; step * dataset.batchSize < dataset.sizes.train; step++) {
    const batch = await dataset.batch(train(epoch, step));
    rowsOf(batch).forEach((row, i) => found.set(batch.index[i], row.join()));
  }
  return found;
}

const masksOf = ({ targets }: Batch, i: number, size: number) =>
  targets.mask!.data.slice(i * size * size, (i + 1) * size * size);

describe('captioned-scenes', () => {
  it('shows the same images in every task, in runs of every seed', async () => {
    const batches = await Promise.all(
      ['classification', 'retrieval', 'grounding'].map(async (task, i) => (await make({ task }, i)).batch(test)),
    );
    for (const { inputs, index } of batches) {
      expect(inputs.image).toEqual(batches[0].inputs.image);
      expect(index).toEqual(batches[0].index);
    }
    expect((await (await make({ dataSeed: 1 })).batch(test)).inputs.image).not.toEqual(batches[0].inputs.image);
  });

  it('gives the same bits for an address, whatever was asked before', async () => {
    for (const task of ['retrieval', 'grounding']) {
      const expected = await (await make({ task, augment: ['crop'] })).batch(train(3, 1));
      const dataset = await make({ task, augment: ['crop'] });
      await dataset.batch(train(4));
      await dataset.batch(test);
      expect(await dataset.batch(train(3, 1))).toEqual(expected);
    }
  });

  it('has five captions of each image to evaluate on, told apart by imageOfText', async () => {
    const dataset = await make();
    const { inputs, targets, size } = await dataset.batch(test);
    expect(size).toBe(24);
    expect(inputs.tokens!.shape).toEqual([120, dataset.text!.tokenizer.contextLength]);
    expect(targets.imageOfText!.shape).toEqual([120]);
    expect([...targets.imageOfText!.data]).toEqual(Array.from({ length: 120 }, (_, i) => Math.floor(i / 5)));
    expect(Object.keys(targets)).toEqual(['imageOfText']);
    expect(dataset.classes).toEqual([]);
    expect(dataset.text!.prompts).toEqual([]);
  });

  it('trains on one caption of each image, all five in five epochs, in an order of its own for each image and seed', async () => {
    const dataset = await make({ validation: 0 });
    expect(dataset.views).toBe(1);
    const { inputs, targets, view } = await dataset.batch(train(0));
    expect(inputs.tokens!.shape[0]).toBe(24);
    expect(targets).toEqual({});
    expect([...view]).toEqual(Array(24).fill(0));

    const epochs = await Promise.all(Array.from({ length: 10 }, (_, epoch) => shownIn(dataset, epoch)));
    const other = await shownIn(await make({ validation: 0 }, 2), 0);
    for (const number of epochs[0].keys()) {
      const rounds = [epochs.slice(0, 5), epochs.slice(5)].map((five) => five.map((shown) => shown.get(number)!));
      expect(new Set(rounds[0]).size).toBe(5);
      expect(new Set(rounds[1])).toEqual(new Set(rounds[0]));
    }
    const same = (one: Map<number, string>, two: Map<number, string>) =>
      [...one].filter(([number, row]) => two.get(number) === row).length;
    // One in five by chance, of 72.
    for (const different of [epochs[5], other]) expect(same(epochs[0], different)).toBeLessThan(30);
  });

  it('has a phrase, a box and a mask for each image when grounding', async () => {
    const { inputs, targets } = await (await make({ task: 'grounding' })).batch(test);
    expect(inputs.tokens!.shape[0]).toBe(24);
    expect(targets.box!.shape).toEqual([24, 4]);
    expect(targets.mask!.shape).toEqual([24, 32, 32]);
    expect(Object.keys(targets)).toEqual(['box', 'mask']);
    for (let i = 0; i < 24; i++) {
      const box = [...targets.box!.data.slice(4 * i, 4 * i + 4)].map((value) => value * 32);
      expect(tightBox(masksOf({ targets } as Batch, i, 32), 32)).toEqual(box);
    }
  });

  it('moves box and mask with crop, and keeps them inside', async () => {
    const [plain, cropped] = [
      await make({ task: 'grounding', batchSize: 64, padding: 10 }),
      await make({ task: 'grounding', batchSize: 64, padding: 10, augment: ['crop'] }),
    ];
    const [before, after] = [await plain.batch(train(0)), await cropped.batch(train(0))];
    expect(plain.views).toBe(1);
    expect(cropped.views).toBeUndefined();
    let moved = 0;
    for (let i = 0; i < before.size; i++) {
      const boxes = [before, after].map(({ targets }) =>
        [...targets.box!.data.slice(4 * i, 4 * i + 4)].map((value) => Math.round(value * 32)),
      );
      const [right, down] = [boxes[0][0] - boxes[1][0], boxes[0][1] - boxes[1][1]];
      moved += Number(right !== 0 || down !== 0);
      expect(boxes[1]).toEqual([boxes[0][0] - right, boxes[0][1] - down, boxes[0][2] - right, boxes[0][3] - down]);
      expect(Math.min(...boxes[1])).toBeGreaterThanOrEqual(0);
      expect(Math.max(...boxes[1])).toBeLessThanOrEqual(32);
      expect(tightBox(masksOf(after, i, 32), 32)).toEqual(boxes[1]);
      // The pixels moved as the mask did.
      const pixel = ({ inputs }: Batch, y: number, x: number) => inputs.image!.data[((i * 32 + y) * 32 + x) * 3];
      masksOf(after, i, 32).forEach((inside, at) => {
        const [y, x] = [Math.floor(at / 32), at % 32];
        if (inside) expect(pixel(after, y, x)).toBe(pixel(before, y + down, x + right));
      });
    }
    expect(moved).toBeGreaterThan(50);
  });

  it('has classes with prompts, and labels', async () => {
    const dataset = await make({ task: 'classification', augment: ['flip', 'mixup'] });
    expect(dataset.classes).toEqual(sceneClasses);
    expect(dataset.text!.prompts[1]).toContain('a large red striped disc');
    expect(dataset.text!.prompts.map(({ length }) => length)).toEqual(Array(12).fill(8));
    const { inputs, targets, index } = await dataset.batch(test);
    expect(inputs.tokens).toBeUndefined();
    expect([...targets.label!.data]).toEqual([...index].map((number) => number % 12));
  });

  it('keeps these very images and texts: a change of the generator must count GENERATOR up', async () => {
    const digests = await Promise.all(
      ['retrieval', 'grounding'].map(async (task) => {
        const { inputs, targets } = await (await make({ task })).batch(test);
        const bytes = Uint8Array.from(inputs.image!.data, (value) => Math.round(value * 255));
        return sha256(JSON.stringify([sha256(bytes), [...inputs.tokens!.data], [...(targets.mask?.data ?? [])]]));
      }),
    );
    expect(digests).toEqual([
      '420708c95ccc9d99414462e5921ce7fcd75d9e71c023bc333a3d84f13b6363be',
      '4914de6ebd0cd85c9f58ca822e314201de9ec3ebf0b60e62b16984f4bfd74a42',
    ]);
  });

  it('has one vocabulary, so that a student of one task can be asked about another', async () => {
    const [first, ...others] = await Promise.all(
      [
        {},
        { train: 500, difficulty: 'hard' },
        { task: 'grounding' },
        { task: 'classification' },
        { task: 'classification', classes: 3 },
      ].map((options) => make(options)),
    );
    for (const other of others) {
      expect(other.text!.tokenizer.fingerprint).toBe(first.text!.tokenizer.fingerprint);
      expect(other.fingerprint).not.toBe(first.fingerprint);
    }
    expect(first.text!.tokenizer.contextLength).toBe(32);
  });

  it('refuses augmentations that texts and boxes cannot follow', async () => {
    const scene = { use: 'captioned-scenes', train: 72, test: 24 };
    expect(await refusal({ ...scene, augment: ['mixup'] })).toContain('mixup makes one image of two');
    expect(await refusal({ ...scene, task: 'grounding', augment: ['crop', 'flip'] })).toContain(
      'boxes and phrases cannot follow flip',
    );
  });

  it('has pixels of about the published mean and deviation at every difficulty', async () => {
    for (const difficulty of ['easy', 'medium', 'hard']) {
      const dataset = await make({ test: 150, batchSize: 150, difficulty });
      const data = (await dataset.batch(test)).inputs.image!.data as Float32Array;
      for (let c = 0; c < 3; c++) {
        const values = data.filter((_, i) => i % 3 === c);
        const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
        const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
        expect(Math.abs(mean - dataset.normalization.mean[c])).toBeLessThan(0.03);
        expect(Math.abs(Math.sqrt(variance) - dataset.normalization.deviation[c])).toBeLessThan(0.03);
      }
    }
  });
});

function tightBox(mask: ArrayLike<number>, size: number): number[] {
  const inside = Array.from(mask).flatMap((value, i) => (value ? [[i % size, Math.floor(i / size)]] : []));
  const [columns, rows] = [inside.map(([x]) => x), inside.map(([, y]) => y)];
  return [Math.min(...columns), Math.min(...rows), Math.max(...columns) + 1, Math.max(...rows) + 1];
}
