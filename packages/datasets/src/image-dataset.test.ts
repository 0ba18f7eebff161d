import { Seeds, type Batch, type Dataset, type DatasetText } from '@retort/core';
import { augmentOption } from './augmentation.js';
import { imageDataset, type ImageSource } from './image-dataset.js';
import type { CommonOptions, Limit } from './options.js';

const SIZE = 4;
/** Bytes that tell which sample, row and column they are of. */
const pixelsOf = (source: string, index: number) =>
  Uint8Array.from({ length: SIZE * SIZE * 3 }, (_, i) => (source === 'test' ? 128 : 0) + ((index * 7 + i) % 120));

const source: ImageSource = {
  classes: ['a', 'b', 'c'],
  imageShape: [SIZE, SIZE, 3],
  normalization: { mean: [0.5, 0.5, 0.5], deviation: [0.2, 0.2, 0.2] },
  content: 'content',
  train: Array.from({ length: 100 }, (_, i) => ({ index: i, label: i % 3 })),
  test: Array.from({ length: 7 }, (_, i) => ({ index: i, label: i % 3 })),
  pixels: (split, index) => pixelsOf(split, index),
};

function make(options: Partial<CommonOptions> & { limit?: Limit } = {}, { seed = 1, of = source } = {}): Dataset {
  return imageDataset(
    of,
    {
      batchSize: 16,
      validation: 0.1,
      augment: ['crop', 'flip'],
      padding: 2,
      repeatedAugmentation: 1,
      labelled: 1,
      unlabelled: 'keep',
      dataSeed: 0,
      randomLabels: [],
      without: [],
      ...options,
    },
    { seeds: new Seeds(seed), path: 'dataset' },
  );
}

async function epochOf(dataset: Dataset, split: 'train' | 'validation' | 'test', epoch: number): Promise<Batch[]> {
  const steps = Math.ceil(dataset.sizes[split] / dataset.batchSize);
  return Promise.all(Array.from({ length: steps }, (_, step) => dataset.batch({ split, epoch, step })));
}

const numbersOf = (batches: Batch[]) => batches.flatMap(({ index }) => [...index]);
const labelsOf = (batches: Batch[]) => batches.flatMap(({ targets }) => [...targets.label!.data]);

/** The label of every train sample, by its number, in order of the numbers. */
async function labelsByNumber(dataset: Dataset): Promise<Map<number, number>> {
  const batches = await epochOf(dataset, 'train', 0);
  const [numbers, labels] = [numbersOf(batches), labelsOf(batches)];
  return new Map(numbers.map((number, i) => [number, labels[i]] as const).sort(([a], [b]) => a - b));
}

/** What is listed under `augment` in a manifest. */
const augmentations = (...items: unknown[]) => augmentOption([]).parse(items);

/** The image of every sample in batches, by its number and view. */
function imagesOf(batches: Batch[]): Map<string, number[]> {
  return new Map(
    batches.flatMap(({ size, index, view, inputs }) =>
      Array.from({ length: size }, (_, i) => [
        `${index[i]} ${view[i]}`,
        [...inputs.image!.data.slice(i * 48, (i + 1) * 48)],
      ]),
    ),
  );
}

describe('imageDataset', () => {
  it('has the sizes of its splits and keeps the last, partial batch', async () => {
    const dataset = make();
    // 34, 33 and 33 samples of a class, of which a tenth rounds to 3 each.
    expect(dataset.sizes).toEqual({ train: 91, validation: 9, test: 7 });
    const train = await epochOf(dataset, 'train', 0);
    expect(train.map(({ size }) => size)).toEqual([16, 16, 16, 16, 16, 11]);
    expect(train[5].inputs.image!.shape).toEqual([11, 4, 4, 3]);
    expect(train[5].inputs.image!.data).toHaveLength(11 * 48);
    expect(train[5].targets.label!.shape).toEqual([11]);
    await expect(dataset.batch({ split: 'train', epoch: 0, step: 6 })).rejects.toThrow(
      'no step 6 in train: it has 6 batches',
    );
  });

  it('takes a validation split that is given, and has no labels where there are no classes', async () => {
    const given = { ...source, classes: [], train: source.train.slice(0, 90), validation: source.train.slice(90) };
    const dataset = make({}, { of: given });
    expect(dataset.sizes).toEqual({ train: 90, validation: 10, test: 7 });
    const [held] = await epochOf(dataset, 'validation', 0);
    expect([...held.index]).toEqual([90, 91, 92, 93, 94, 95, 96, 97, 98, 99]);
    expect(held.targets).toEqual({});
  });

  it('gives the same bytes for the same address, in whichever order', async () => {
    const address = { split: 'train', epoch: 3, step: 2 } as const;
    const first = make();
    const expected = await first.batch(address);
    const second = make();
    await epochOf(second, 'train', 9);
    await epochOf(second, 'train', 2);
    expect(await second.batch(address)).toEqual(expected);
    await epochOf(first, 'train', 4);
    await epochOf(first, 'train', 5);
    expect(await first.batch(address)).toEqual(expected);
    expect(await make({}, { seed: 2 }).batch(address)).not.toEqual(expected);
  });

  it('shuffles every epoch anew and shows every train sample once', async () => {
    const dataset = make();
    const [zero, one] = [numbersOf(await epochOf(dataset, 'train', 0)), numbersOf(await epochOf(dataset, 'train', 1))];
    expect(zero).not.toEqual(one);
    const ascending = (a: number, b: number) => a - b;
    const held = numbersOf(await epochOf(dataset, 'validation', 0));
    expect([...zero].sort(ascending)).toEqual([...one].sort(ascending));
    expect([...zero, ...held].sort(ascending)).toEqual(source.train.map(({ index }) => index));
  });

  it('mixes well: a sample is in the first batch of an epoch as often as chance has it', async () => {
    const dataset = make();
    const epochs = 400;
    const times = new Map<number, number>();
    for (let epoch = 0; epoch < epochs; epoch++) {
      const { index } = await dataset.batch({ split: 'train', epoch, step: 0 }, { augment: false });
      for (const number of index) times.set(number, (times.get(number) ?? 0) + 1);
    }
    const share = 16 / 91;
    const deviation = Math.sqrt(epochs * share * (1 - share));
    for (const count of times.values()) expect(Math.abs(count - epochs * share)).toBeLessThan(5 * deviation);
    expect(times.size).toBe(91);
  });

  it('leaves validation and test in order and plain', async () => {
    const dataset = make();
    const [test] = await epochOf(dataset, 'test', 5);
    expect([...test.index]).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect([...test.view]).toEqual([0, 0, 0, 0, 0, 0, 0]);
    expect([...test.targets.label!.data]).toEqual([0, 1, 2, 0, 1, 2, 0]);
    const bytes = [...test.index].flatMap((index) => [...pixelsOf('test', index)]);
    expect(test.inputs.image!.data).toEqual(Float32Array.from(bytes, (byte) => byte / 255));
    const held = numbersOf(await epochOf(dataset, 'validation', 0));
    expect(held).toEqual([...held].sort((a, b) => a - b));
    expect(numbersOf(await epochOf(dataset, 'validation', 8))).toEqual(held);
  });

  it('augments train images by epoch and sample, unless told not to', async () => {
    const dataset = make();
    const address = { split: 'train', epoch: 2, step: 0 } as const;
    const augmented = await dataset.batch(address);
    const plain = await dataset.batch(address, { augment: false });
    expect([...augmented.view]).toEqual(Array(16).fill(3));
    expect([...plain.view]).toEqual(Array(16).fill(0));
    expect(plain.index).toEqual(augmented.index);
    const bytes = [...plain.index].flatMap((index) => [...pixelsOf('train', index)]);
    expect(plain.inputs.image!.data).toEqual(Float32Array.from(bytes, (byte) => byte / 255));
    expect(augmented.inputs.image!.data).not.toEqual(plain.inputs.image!.data);

    // A sample's view does not depend on its batch: other batches hold the same one.
    const number = augmented.index[5];
    const others = await epochOf(make({ batchSize: 5 }), 'train', 2);
    const other = others.find(({ index }) => index.includes(number))!;
    const at = other.index.indexOf(number);
    expect(other.inputs.image!.data.slice(at * 48, at * 48 + 48)).toEqual(
      augmented.inputs.image!.data.slice(5 * 48, 6 * 48),
    );

    const without = await make({ augment: [] }).batch(address);
    expect(without).toEqual(plain);
  });

  it('draws the same validation split and random labels for every seed of a run', async () => {
    const [one, two] = [make({ randomLabels: [1] }), make({ randomLabels: [1] }, { seed: 2 })];
    expect(await epochOf(one, 'validation', 0)).toEqual(await epochOf(two, 'validation', 0));
    const pairs = async (dataset: Dataset) => {
      const batches = await epochOf(dataset, 'train', 0);
      const labels = labelsOf(batches);
      return new Map(numbersOf(batches).map((number, i) => [number, labels[i]]));
    };
    expect([...(await pairs(one))].sort()).toEqual([...(await pairs(two))].sort());
    const other = make({ dataSeed: 1 });
    expect(numbersOf(await epochOf(other, 'validation', 0))).not.toEqual(
      numbersOf(await epochOf(one, 'validation', 0)),
    );
  });

  it('leaves classes out of train and validation, not out of test', async () => {
    const dataset = make({ without: [1], augment: [] });
    expect(dataset.sizes).toEqual({ train: 61, validation: 6, test: 7 });
    for (const split of ['train', 'validation'] as const) {
      expect(new Set(labelsOf(await epochOf(dataset, split, 0)))).toEqual(new Set([0, 2]));
    }
    expect(labelsOf(await epochOf(dataset, 'test', 0))).toContain(1);
    expect(dataset.classes).toHaveLength(3);
  });

  it('replaces train labels by uniform ones, others and those of validation by none', async () => {
    const large = { ...source, train: Array.from({ length: 3000 }, (_, i) => ({ index: i, label: i % 3 })) };
    const dataset = make({ randomLabels: [2], augment: [] }, { of: large });
    const batches = await epochOf(dataset, 'train', 0);
    const labels = labelsOf(batches);
    const counts = [0, 0, 0];
    numbersOf(batches).forEach((number, i) => {
      if (number % 3 === 2) counts[labels[i]]++;
      else expect(labels[i]).toBe(number % 3);
    });
    for (const count of counts) expect(Math.abs(count - 300)).toBeLessThan(5 * Math.sqrt(900 * (1 / 3) * (2 / 3)));
    const held = await epochOf(dataset, 'validation', 0);
    expect(labelsOf(held)).toEqual(numbersOf(held).map((number) => number % 3));
  });

  it('limits splits evenly over classes, without renumbering', async () => {
    const dataset = make({ limit: { train: 12, validation: 3, test: 5 } });
    expect(dataset.sizes).toEqual({ train: 12, validation: 3, test: 5 });
    const [batch] = await epochOf(dataset, 'train', 0);
    expect([0, 1, 2].map((label) => [...batch.targets.label!.data].filter((x) => x === label).length)).toEqual([
      4, 4, 4,
    ]);
    expect([...batch.targets.label!.data]).toEqual([...batch.index].map((number) => number % 3));
    const whole = numbersOf(await epochOf(make(), 'validation', 0));
    for (const number of numbersOf(await epochOf(dataset, 'validation', 0))) expect(whole).toContain(number);
  });

  it('has a fingerprint that changes with the content, the splits, the labels and the augmented views', () => {
    const fingerprint = make().fingerprint;
    expect(fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(make().fingerprint).toBe(fingerprint);
    expect(make({ batchSize: 8 }).fingerprint).toBe(fingerprint);
    const others = [
      make({}, { of: { ...source, content: 'other' } }),
      make({}, { of: { ...source, classes: ['a', 'b', 'd'] } }),
      make({ validation: 0.2 }),
      make({ dataSeed: 1 }),
      make({ without: [0] }),
      make({ randomLabels: [0] }),
      make({ limit: { test: 5 } }),
      make({ augment: ['crop'] }),
      make({ padding: 3 }),
      make({}, { seed: 2 }),
    ].map((dataset) => dataset.fingerprint);
    expect(new Set([fingerprint, ...others]).size).toBe(11);
    // Plain images are the same in every run.
    expect(make({ augment: [] }, { seed: 2 }).fingerprint).toBe(make({ augment: [] }).fingerprint);
  });

  it('refuses classes that do not exist and splits that come out empty', () => {
    expect(() => make({ without: [3] })).toThrow('without names class 3, but the classes are 0 to 2');
    expect(() => make({ randomLabels: [0, 7] })).toThrow('randomLabels names class 7, but the classes are 0 to 2');
    expect(() => make({ without: [0, 1, 2] })).toThrow('no train samples: `without` names every class');
    expect(() => make({ validation: 0.01 })).toThrow(
      'validation: 0.01 of 100 train samples leaves an empty validation split',
    );
    expect(make({ validation: 0 }).sizes).toEqual({ train: 100, validation: 0, test: 7 });
  });

  it('draws crop and flip from the stream of the view and the sample', async () => {
    const dataset = make();
    const { index, inputs } = await dataset.batch({ split: 'train', epoch: 6, step: 1 });
    index.forEach((number, i) => {
      const random = new Seeds(1).at('augment', 6, number);
      const [down, right, flip] = [random.integer(5) - 2, random.integer(5) - 2, random.integer(2) === 1];
      const pixels = pixelsOf('train', number);
      for (let y = 0; y < SIZE; y++) {
        for (let x = 0; x < SIZE; x++) {
          const [v, u] = [y + down, (flip ? SIZE - 1 - x : x) + right];
          const isInside = v >= 0 && v < SIZE && u >= 0 && u < SIZE;
          expect(inputs.image!.data[i * 48 + (y * SIZE + x) * 3]).toBe(
            isInside ? Math.fround(pixels[(v * SIZE + u) * 3] / 255) : 0,
          );
        }
      }
    });
  });

  it('shows the same views again after as many epochs as there are views', async () => {
    const [endless, three] = [make(), make({ views: 3 })];
    expect(endless).not.toHaveProperty('views');
    expect(three.views).toBe(3);
    expect(make({ augment: [] }).views).toBe(1);
    expect(make({ augment: [], views: 3 }).views).toBe(1);

    const [first, again] = [await epochOf(three, 'train', 1), await epochOf(three, 'train', 7)];
    expect(new Set(again.flatMap(({ view }) => [...view]))).toEqual(new Set([2]));
    expect(numbersOf(again)).not.toEqual(numbersOf(first));
    expect(new Map([...imagesOf(again)].sort())).toEqual(new Map([...imagesOf(first)].sort()));
    // They are those that a run with new views every epoch begins with.
    expect(imagesOf(first)).toEqual(imagesOf(await epochOf(endless, 'train', 1)));
    expect(imagesOf(await epochOf(three, 'train', 2))).not.toEqual(imagesOf(first));
  });

  it('repeats a sample in other views, side by side, in an epoch of the same length', async () => {
    const dataset = make({ repeatedAugmentation: 3 });
    const epoch = await epochOf(dataset, 'train', 2);
    const numbers = numbersOf(epoch);
    const order = numbersOf(await epochOf(make(), 'train', 2));
    expect(numbers).toEqual(
      order
        .slice(0, 31)
        .flatMap((number) => [number, number, number])
        .slice(0, 91),
    );
    expect(epoch.flatMap(({ view }) => [...view])).toEqual(Array.from({ length: 91 }, (_, i) => 7 + (i % 3)));
    const images = imagesOf(epoch);
    expect(images.size).toBe(91);
    for (const repeat of [0, 1, 2]) {
      const plain = imagesOf(await epochOf(make(), 'train', 6 + repeat));
      for (const number of numbers.slice(0, 90)) {
        expect(images.get(`${number} ${7 + repeat}`)).toEqual(plain.get(`${number} ${7 + repeat}`));
      }
    }
    // Without augmentation there is nothing to repeat.
    const [once] = await Promise.all([dataset.batch({ split: 'train', epoch: 2, step: 1 }, { augment: false })]);
    expect([...once.index]).toEqual(order.slice(16, 32));

    const limited = make({ repeatedAugmentation: 3, views: 4 });
    const [batch] = await epochOf(limited, 'train', 2);
    expect([...batch.view.slice(0, 6)]).toEqual([3, 4, 1, 3, 4, 1]);
    expect(limited.views).toBe(4);
  });

  it('mixes the views of two samples and their labels by the same share', async () => {
    const shown = imagesOf(await epochOf(make(), 'train', 3));
    const mixed = await epochOf(make({ augment: augmentations('crop', 'flip', 'mixup') }), 'train', 3);
    const shares: number[] = [];
    for (const { size, index, targets, inputs } of mixed) {
      expect(targets.otherLabel!.shape).toEqual([size]);
      expect(targets.labelShare!.shape).toEqual([size]);
      index.forEach((number, i) => {
        const share = targets.labelShare!.data[i];
        shares.push(share);
        expect(targets.label!.data[i]).toBe(number % 3);
        const image = inputs.image!.data.slice(i * 48, (i + 1) * 48);
        const own = shown.get(`${number} 4`)!;
        const partners = [...shown].filter(([, other]) =>
          image.every((value, p) => Math.abs(value - share * own[p] - (1 - share) * other[p]) < 1e-6),
        );
        expect(partners.map(([key]) => parseInt(key) % 3)).toContain(targets.otherLabel!.data[i]);
      });
    }
    // Beta(0.8, 0.8): deviation 0.31.
    expect(Math.abs(shares.reduce((sum, share) => sum + share, 0) / 91 - 0.5)).toBeLessThan((5 * 0.31) / Math.sqrt(91));
  });

  it('puts boxes of other samples in, with their share of the area in the label', async () => {
    const mixed = await epochOf(make({ augment: augmentations('cut-mix') }), 'train', 3);
    let boxes = 0;
    for (const { index, targets, inputs } of mixed) {
      index.forEach((number, i) => {
        const image = inputs.image!.data.slice(i * 48, (i + 1) * 48);
        const bytesOf = (other: number) => Float32Array.from(pixelsOf('train', other), (byte) => byte / 255);
        const own = bytesOf(number);
        const foreign = Array.from({ length: 48 }, (_, p) => p).filter((p) => image[p] !== own[p]);
        if (foreign.length === 0) return;
        boxes++;
        expect(foreign.length / 48).toBeCloseTo(1 - targets.labelShare!.data[i], 6);
        const partner = numbersOf(mixed).find((other) => foreign.every((p) => image[p] === bytesOf(other)[p]))!;
        expect(targets.otherLabel!.data[i]).toBe(partner % 3);
      });
    }
    expect(boxes).toBeGreaterThan(40);
  });

  it('has both labels in every batch when samples are mixed, equal ones where they are not', async () => {
    const dataset = make({ augment: augmentations('crop', { use: 'mixup', probability: 0.25 }) });
    const plain = [
      await dataset.batch({ split: 'train', epoch: 0, step: 0 }, { augment: false }),
      await dataset.batch({ split: 'validation', epoch: 0, step: 0 }),
      await dataset.batch({ split: 'test', epoch: 0, step: 0 }),
    ];
    for (const { size, targets } of plain) {
      expect(targets.otherLabel!.data).toEqual(targets.label!.data);
      expect(targets.labelShare!.data).toEqual(new Float32Array(size).fill(1));
    }
    const shares = (await epochOf(dataset, 'train', 0)).flatMap(({ targets }) => [...targets.labelShare!.data]);
    const whole = shares.filter((share) => share === 1).length;
    expect(Math.abs(whole - 91 * 0.75)).toBeLessThan(5 * Math.sqrt(91 * 0.25 * 0.75));
    expect((await make().batch({ split: 'train', epoch: 0, step: 0 })).targets).not.toHaveProperty('otherLabel');
  });

  const everything = augmentations(
    'random-resized-crop',
    'flip',
    { use: 'rand-augment', deviation: 0.5, probability: 0.5 },
    'random-erasing',
    'mixup',
    'cut-mix',
  );

  it('gives the same view of a sample in whichever batch, with everything switched on', async () => {
    const batches = await epochOf(make({ augment: everything }), 'train', 3);
    const images = imagesOf(batches);
    for (const image of images.values()) expect(image.every((value) => value >= 0 && value <= 1)).toBe(true);
    const others = make({ augment: [...everything].reverse(), batchSize: 5, views: 4, repeatedAugmentation: 2 });
    await epochOf(others, 'train', 0);
    // Epoch 1 shows views 2 and 3, of half the samples.
    const found = [...imagesOf(await epochOf(others, 'train', 1))].filter(([key]) => key.endsWith(' 4'));
    expect(found).toHaveLength(45);
    for (const [key, image] of found) expect(image).toEqual(images.get(key));
    expect(imagesOf(await epochOf(make({ augment: everything }, { seed: 2 }), 'train', 3))).not.toEqual(images);
  });

  it('has a fingerprint of what its views depend on: options of augmentations, not how many views there are', () => {
    const fingerprint = make({ augment: everything }).fingerprint;
    expect(make({ augment: [...everything].reverse() }).fingerprint).toBe(fingerprint);
    expect(make({ augment: everything, views: 4, repeatedAugmentation: 2 }).fingerprint).toBe(fingerprint);
    const others = [
      make({ augment: everything.slice(1) }),
      make({ augment: [...everything.slice(0, -1), ...augmentations({ use: 'cut-mix', alpha: 0.5 })] }),
      make({ augment: everything }, { seed: 2 }),
      make(
        { augment: everything },
        { of: { ...source, normalization: { ...source.normalization, mean: [0.4, 0.5, 0.5] } } },
      ),
    ].map((dataset) => dataset.fingerprint);
    expect(new Set([fingerprint, ...others]).size).toBe(5);
  });

  it('refuses augmentation that makes no sense', () => {
    expect(() => make({ augment: ['crop'], padding: 4 })).toThrow(
      'padding: 4 lets crop miss the image, which is 4 x 4',
    );
    expect(make({ augment: ['flip'], padding: 4 }).sizes.train).toBe(91);
    expect(() => make({ augment: augmentations('crop', 'random-resized-crop') })).toThrow(
      'augment: crop and random-resized-crop are two ways to cut',
    );
    expect(() => make({ augment: augmentations('mixup', { use: 'mixup', alpha: 1 }) })).toThrow(
      'augment: mixup is listed twice',
    );
    expect(() => make({ augment: augmentations({ use: 'mixup', probability: 0.8 }, 'cut-mix') })).toThrow(
      'augment: the probabilities of mixup (0.8) and cut-mix (0.5) add up to more than 1',
    );
    expect(() => make({ augment: [], repeatedAugmentation: 3 })).toThrow(
      'repeatedAugmentation: 3 times the same image, since augment is empty',
    );
    expect(() => make({ repeatedAugmentation: 3, views: 2 })).toThrow(
      'repeatedAugmentation: an epoch shows 3 views of a sample, views: 2 allows fewer',
    );
  });

  it('hides the labels of all but a fraction of every class of the train split', async () => {
    const [all, tenth, half] = [{}, { labelled: 0.1 }, { labelled: 0.5 }].map((options) => make(options));
    expect(tenth.sizes).toEqual(all.sizes);
    const [truth, few, more] = await Promise.all([all, tenth, half].map(labelsByNumber));
    // 31, 30 and 30 train samples of the classes.
    const known = [...few].filter(([, label]) => label >= 0);
    expect(known.map(([, label]) => label).sort()).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2]);
    for (const [number, label] of known) expect([truth.get(number), more.get(number)]).toEqual([label, label]);
    expect([...more.values()].filter((label) => label === -1)).toHaveLength(45);
    for (const split of ['validation', 'test'] as const) {
      expect(labelsOf(await epochOf(tenth, split, 0))).toEqual(labelsOf(await epochOf(all, split, 0)));
    }
    expect(await labelsByNumber(make({ labelled: 0.1 }, { seed: 2 }))).toEqual(few);
    expect(await labelsByNumber(make({ labelled: 0.1, dataSeed: 1, validation: 0 }))).not.toEqual(few);
    expect(new Set([all, tenth, half].map(({ fingerprint }) => fingerprint)).size).toBe(3);
  });

  it('leaves a teacher the same few labels, and wrong ones for known samples only', async () => {
    const few = await labelsByNumber(make({ labelled: 0.1 }));
    const dropped = make({ labelled: 0.1, unlabelled: 'drop' });
    expect(dropped.sizes).toEqual({ train: 9, validation: 9, test: 7 });
    expect(await labelsByNumber(dropped)).toEqual(new Map([...few].filter(([, label]) => label >= 0)));
    expect(make({ unlabelled: 'drop' }).sizes.train).toBe(91);
    const wrong = await labelsByNumber(make({ labelled: 0.1, randomLabels: [0, 1, 2] }));
    expect([...wrong].filter(([, label]) => label >= 0).map(([number]) => number)).toEqual(
      [...few].filter(([, label]) => label >= 0).map(([number]) => number),
    );
  });

  it('mixes images with others whose labels are not known, and says so of each', async () => {
    const options = { labelled: 0.5, augment: augmentations('mixup') };
    const batches = await epochOf(make(options), 'train', 0);
    const pairs = batches.flatMap(({ targets }) =>
      [...targets.otherLabel!.data].map((other, i) => [targets.label!.data[i] >= 0, other >= 0].join()),
    );
    expect(new Set(pairs).size).toBe(4);
    expect(labelsOf(batches).filter((label) => label === -1)).toHaveLength(45);
  });

  it('hands texts on and has them in its fingerprint', () => {
    const text: DatasetText = {
      tokenizer: {
        vocabularySize: 3,
        contextLength: 3,
        endToken: 2,
        fingerprint: 'of the tokenizer',
        encode: (texts) => ({ data: new Int32Array(texts.length * 3), shape: [texts.length, 3] }),
      },
      prompts: [['an a'], ['a b'], ['a c']],
    };
    const dataset = make({}, { of: { ...source, text } });
    expect(dataset.text).toBe(text);
    expect(make()).not.toHaveProperty('text');
    const others = [
      make(),
      make({}, { of: { ...source, text: { ...text, prompts: [['the a'], ['a b'], ['a c']] } } }),
      make({}, { of: { ...source, text: { ...text, tokenizer: { ...text.tokenizer, fingerprint: 'other' } } } }),
    ];
    expect(new Set([dataset, ...others].map(({ fingerprint }) => fingerprint)).size).toBe(4);
  });
});
