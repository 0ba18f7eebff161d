import {
  sha256,
  Seeds,
  InputError,
  type Batch,
  type BatchAddress,
  type Dataset,
  type DatasetContext,
} from '@retort/core';
import { plainView, randomView, writeView } from './augment.js';
import type { CommonOptions, Limit } from './options.js';
import { checkClassNumbers, limitByClass, splitByClass, type Sample } from './split.js';

/** Labelled images of one size, before splits, shuffling and augmentation. */
export interface ImageSource {
  /** Class names in label order. */
  classes: string[];
  /** [H, W, 3]. */
  imageShape: [number, number, number];
  normalization: { mean: number[]; deviation: number[] };
  /** Digest of the samples, or of what they are generated from. */
  content: string;
  train: Sample[];
  test: Sample[];
  /** [H, W, 3] bytes of a sample; the caller does not change them. */
  pixels(source: 'train' | 'test', index: number): Uint8Array | Promise<Uint8Array>;
}

/**
 * Makes a data set of a source: carves out `validation`, drops and relabels classes, shuffles and augments.
 *
 * `index` numbers are those of the source, so they stay with their image when splits change; train and validation share one
 * numbering. The fingerprint covers content, splits and labels, and where there is augmentation also the run's seed, since the
 * augmented views depend on it.
 *
 * @throws InputError for classes that do not exist and for splits that come out empty
 */
export function imageDataset(
  source: ImageSource,
  options: CommonOptions & { limit?: Limit },
  { seeds, path }: Pick<DatasetContext, 'seeds' | 'path'>,
): Dataset {
  const { classes, imageShape } = source;
  const { batchSize, augment, padding, limit = {} } = options;
  const splits = makeSplits(source, options, limit, path);
  const sizes = { train: splits.train.length, validation: splits.validation.length, test: splits.test.length };
  const orders = new Map<number, Uint32Array>();

  /** Position in the train split of each sample of an epoch. */
  function orderOf(epoch: number): Uint32Array {
    let order = orders.get(epoch);
    if (!order) {
      order = seeds.at('order', epoch).shuffle(Uint32Array.from({ length: sizes.train }, (_, i) => i));
      // Two are enough for looking ahead over the end of an epoch.
      if (orders.size === 2) orders.delete(orders.keys().next().value!);
      orders.set(epoch, order);
    }
    return order;
  }

  async function batch(
    { split, epoch, step }: BatchAddress,
    { augment: augmented = true }: { augment?: boolean } = {},
  ): Promise<Batch> {
    const first = step * batchSize;
    const size = Math.min(batchSize, sizes[split] - first);
    if (!(first >= 0 && size > 0)) {
      throw new RangeError(`no step ${step} in ${split}: it has ${Math.ceil(sizes[split] / batchSize)} batches`);
    }
    const samples =
      split === 'train'
        ? Array.from(orderOf(epoch).subarray(first, first + size), (position) => splits.train[position])
        : splits[split].slice(first, first + size);
    const isAugmented = split === 'train' && augmented && augment.length > 0;
    const pixels = await Promise.all(
      samples.map(({ index }) => source.pixels(split === 'test' ? 'test' : 'train', index)),
    );
    const length = imageShape[0] * imageShape[1] * 3;
    const image = new Float32Array(size * length);
    samples.forEach(({ index }, i) => {
      const view = isAugmented ? randomView(seeds.at('augment', epoch, index), augment, padding) : plainView;
      writeView(pixels[i], imageShape, view, image, i * length);
    });
    return {
      split,
      epoch,
      step,
      size,
      index: Int32Array.from(samples, ({ index }) => index),
      view: new Int32Array(size).fill(isAugmented ? epoch + 1 : 0),
      inputs: { image: { data: image, shape: [size, ...imageShape] } },
      targets: { label: { data: Int32Array.from(samples, ({ label }) => label), shape: [size] } },
    };
  }

  return {
    classes,
    imageShape,
    batchSize,
    sizes,
    normalization: source.normalization,
    fingerprint: sha256(
      JSON.stringify([
        source.content,
        classes,
        imageShape,
        Object.values(splits).map((samples) => samples.map(({ index, label }) => [index, label])),
        augment.length > 0 ? [[...new Set(augment)].sort(), padding, seeds.root] : [],
      ]),
    ),
    batch,
    dispose: () => orders.clear(),
  };
}

function makeSplits(
  { classes, train: published, test }: ImageSource,
  { validation: fraction, without, randomLabels, dataSeed }: CommonOptions,
  limit: Limit,
  path: string,
): Record<'train' | 'validation' | 'test', Sample[]> {
  checkClassNumbers('without', without, classes.length, path);
  checkClassNumbers('randomLabels', randomLabels, classes.length, path);
  const seeds = new Seeds(dataSeed);
  const seen = published.filter(({ label }) => !without.includes(label));
  if (seen.length === 0) throw new InputError('no train samples: `without` names every class', { where: path });

  const { taken, rest } = splitByClass(seen, fraction, seeds.within('validation'));
  if (fraction > 0 && taken.length === 0) {
    throw new InputError(`validation: ${fraction} of ${seen.length} train samples leaves an empty validation split`, {
      hints: ['raise it, or set it to 0 to go without a validation split'],
      where: path,
    });
  }
  const limited = (samples: Sample[], split: keyof Limit) =>
    limitByClass(samples, limit[split], seeds.within(`limit/${split}`));
  const random = (sample: Sample) => ({
    ...sample,
    label: seeds.at('random-labels', sample.index).integer(classes.length),
  });
  return {
    train: limited(rest, 'train').map((sample) => (randomLabels.includes(sample.label) ? random(sample) : sample)),
    validation: limited(taken, 'validation'),
    test: limited(test, 'test'),
  };
}
