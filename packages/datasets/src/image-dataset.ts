import {
  sha256,
  Seeds,
  InputError,
  type Batch,
  type BatchAddress,
  type Dataset,
  type DatasetContext,
  type DatasetText,
  type HostTensor,
} from '@retort/core';
import { createAugmenter, writeFloats } from './augment.js';
import { locatedTensors, shiftLocated, type Located } from './located.js';
import { mixInto } from './mixing.js';
import type { CommonOptions, Limit } from './options.js';
import { checkClassNumbers, labelledByClass, limitByClass, splitByClass, UNLABELLED, type Sample } from './split.js';

/** Counted up whenever the same augmentations, crop and flip alone aside, give other views. */
const AUGMENTATION = 1;

/** Images of one size with labels, captions or boxes, before splits, shuffling and augmentation. */
export interface ImageSource {
  /** Class names in label order. None where batches have no labels: `label` then only balances the splits. */
  classes: string[];
  /** [H, W, 3]. */
  imageShape: [number, number, number];
  normalization: { mean: number[]; deviation: number[] };
  /** Digest of the samples, captions and boxes included, or of what they are generated from. */
  content: string;
  train: Sample[];
  /** In the numbering of `train`; left out where it is to be carved out of that. */
  validation?: Sample[];
  test: Sample[];
  /** Tokenizer and prompts, where there are captions or classes can be told by texts. */
  text?: DatasetText;
  /** [H, W, 3] bytes of a sample; the caller does not change them. */
  pixels(source: 'train' | 'test', index: number): Uint8Array | Promise<Uint8Array>;
  /** Texts of a sample, one at least: batches have tokens, by the tokenizer of `text`. */
  captions?(source: 'train' | 'test', index: number): readonly string[];
  /** Where in the image is what its caption names: batches have boxes, and masks where there are any. */
  located?(source: 'train' | 'test', index: number): Located;
}

/** A sample of a batch, and which view of it. */
interface Shown extends Sample {
  /** From 0; undefined for the plain image. */
  view: number | undefined;
}

/**
 * Makes a data set of a source: carves out `validation`, drops and relabels classes, hides labels, shuffles and augments.
 *
 * With `labelled` below 1 the `targets.label` of the other train samples is -1, and so is `otherLabel` where such an image is
 * mixed in; or `unlabelled: drop` leaves them out. Which labels are known depends on `dataSeed`, and a sample known at one fraction is known at every greater one.
 *
 * `index` numbers are those of the source, so they stay with their image when splits change; train and validation share one
 * numbering. An epoch of augmented train batches has as many samples as the split: with `repeatedAugmentation` k the first of
 * the epoch's order only, k times each, side by side; plain ones have each sample once.
 *
 * The r-th view (from 0) of a sample in epoch e is number (e k + r) mod `views`, and `batch.view` is one more. With mixing every
 * batch has `otherLabel` and `labelShare`; where nothing is mixed they are the label and 1.
 *
 * Captions: a train batch has one of each image, chosen by (seed, epoch, sample) so that k epochs in a row from a multiple of k
 * show each of k captions; the image's view says nothing about it. Validation and test batches have all of them, in order. Boxes
 * and masks follow crop, which is held back where it would cut a box.
 *
 * The fingerprint covers content, splits, labels and texts, and where there is augmentation also it and the run's seed, since the
 * views depend on them: equal fingerprint, view and index mean equal pixels and labels. How many views there are is not part of
 * it, nor how often an epoch repeats a sample.
 *
 * @throws InputError for classes that do not exist, for splits that come out empty and for augmentations that make no sense
 */
export function imageDataset(
  source: ImageSource,
  options: CommonOptions & { limit?: Limit },
  { seeds, path }: Pick<DatasetContext, 'seeds' | 'path'>,
): Dataset {
  const { classes, imageShape, normalization } = source;
  const { batchSize, augment, padding, views, repeatedAugmentation: repeats, limit = {} } = options;
  checkViews(options, path);
  checkSuits(source, augment, path);
  const augmenter = augment.length > 0 ? createAugmenter({ augment, padding }, source, seeds, path) : undefined;
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

  /** What stands at a place of an epoch. */
  function shownAt({ split, epoch }: BatchAddress, place: number, isAugmented: boolean): Shown {
    if (split !== 'train') return { ...splits[split][place], view: undefined };
    if (!isAugmented) return { ...splits.train[orderOf(epoch)[place]], view: undefined };
    const position = orderOf(epoch)[Math.floor(place / repeats)];
    return { ...splits.train[position], view: (epoch * repeats + (place % repeats)) % (views ?? Infinity) };
  }

  async function batch(
    address: BatchAddress,
    { augment: augmented = true }: { augment?: boolean } = {},
  ): Promise<Batch> {
    const { split, epoch, step } = address;
    const first = step * batchSize;
    const size = Math.min(batchSize, sizes[split] - first);
    if (!(first >= 0 && size > 0)) {
      throw new RangeError(`no step ${step} in ${split}: it has ${Math.ceil(sizes[split] / batchSize)} batches`);
    }
    const shown = Array.from({ length: size }, (_, i) =>
      shownAt(address, first + i, augmented && augmenter !== undefined),
    );
    const mixes = shown.map(({ view, index }) =>
      view === undefined ? undefined : augmenter?.mix(view, index, sizes.train),
    );
    const partners = mixes.map((mix) => mix && splits.train[mix.partner]);
    const part = split === 'test' ? 'test' : 'train';
    const pixelsOf = (sample: Sample | undefined) => sample && source.pixels(part, sample.index);
    const pixels = await Promise.all(shown.map(pixelsOf));
    const otherPixels = await Promise.all(partners.map(pixelsOf));

    const length = imageShape[0] * imageShape[1] * 3;
    const image = new Float32Array(size * length);
    const other = new Float32Array(length);
    const located = source.located && shown.map(({ index }) => source.located!(part, index));
    shown.forEach(({ view, index }, i) => {
      const out = image.subarray(i * length, (i + 1) * length);
      if (view === undefined) {
        writeFloats(pixels[i]!, out);
        return;
      }
      const cut = augmenter!.write(pixels[i]!, view, index, out, located?.[i].box);
      if (located) located[i] = shiftLocated(located[i], cut, imageShape);
      const mix = mixes[i];
      if (!mix) return;
      augmenter!.write(otherPixels[i]!, view, partners[i]!.index, other);
      mixInto(out, other, mix, imageShape[1]);
    });

    const { tokens, imageOfText } = textsOf(source, address, shown, seeds);
    const label = Int32Array.from(shown, (sample) => sample.label);
    return {
      split,
      epoch,
      step,
      size,
      index: Int32Array.from(shown, ({ index }) => index),
      view: Int32Array.from(shown, ({ view }) => (view === undefined ? 0 : view + 1)),
      inputs: { image: { data: image, shape: [size, ...imageShape] }, ...(tokens && { tokens }) },
      targets: {
        ...(classes.length > 0 && { label: { data: label, shape: [size] } }),
        ...(augmenter?.mixes && {
          otherLabel: { data: label.map((own, i) => partners[i]?.label ?? own), shape: [size] },
          labelShare: { data: Float32Array.from(mixes, (mix) => mix?.share ?? 1), shape: [size] },
        }),
        ...(located && locatedTensors(located, imageShape)),
        ...(imageOfText && { imageOfText }),
      },
    };
  }

  return {
    classes,
    imageShape,
    batchSize,
    sizes,
    normalization,
    ...(source.text && { text: source.text }),
    ...(augmenter ? views !== undefined && { views } : { views: 1 }),
    fingerprint: sha256(
      JSON.stringify([
        source.content,
        classes,
        imageShape,
        Object.values(splits).map((samples) => samples.map(({ index, label }) => [index, label])),
        fingerprintOfViews(options, seeds, normalization),
        ...(source.text ? [source.text.tokenizer.fingerprint, source.text.prompts] : []),
      ]),
    ),
    batch,
    dispose: () => orders.clear(),
  };
}

/** What the pixels and labels of the views depend on, beside the samples. */
function fingerprintOfViews(
  { augment, padding }: CommonOptions,
  seeds: Seeds,
  normalization: ImageSource['normalization'],
): unknown[] {
  if (augment.length === 0) return [];
  const parts = [...new Set(augment.map((item) => (typeof item === 'string' ? item : JSON.stringify(item))))].sort();
  const isPlain = augment.every((item) => typeof item === 'string');
  return [parts, padding, seeds.root, ...(isPlain ? [] : [normalization, AUGMENTATION])];
}

/** Tokens of the captions that a batch shows, and whose they are unless every image has one. */
function textsOf(
  { captions, text }: ImageSource,
  { split, epoch }: BatchAddress,
  shown: Shown[],
  seeds: Seeds,
): { tokens?: HostTensor; imageOfText?: HostTensor } {
  if (!captions || !text) return {};
  const taken = shown.map(({ index }) => {
    const all = captions(split === 'test' ? 'test' : 'train', index);
    if (split !== 'train') return all;
    const round = Math.floor(epoch / all.length);
    return [seeds.at('captions', index, round).shuffle([...all])[epoch % all.length]];
  });
  const imageOfText = Int32Array.from(taken.flatMap((texts, image) => texts.map(() => image)));
  const isOneEach = taken.every(({ length }) => length === 1);
  return {
    tokens: text.tokenizer.encode(taken.flat()),
    ...(!isOneEach && { imageOfText: { data: imageOfText, shape: [imageOfText.length] } }),
  };
}

/** @throws InputError for augmentations that captions and boxes cannot follow */
function checkSuits({ captions, located }: ImageSource, augment: CommonOptions['augment'], where: string): void {
  const uses = augment.map((item) => (typeof item === 'string' ? item : item.use));
  const mixing = uses.find((use) => use === 'mixup' || use === 'cut-mix');
  if (captions && mixing !== undefined) {
    throw new InputError(`augment: ${mixing} makes one image of two, and their texts cannot be mixed`, {
      hints: [`leave ${mixing} out`],
      where,
    });
  }
  const unsuited = uses.find((use) => use !== 'crop');
  if (located && unsuited !== undefined) {
    throw new InputError(`augment: boxes and phrases cannot follow ${unsuited}`, {
      hints: ['only crop suits images with boxes; flip would make left of right in phrases'],
      where,
    });
  }
}

/** @throws InputError when an epoch would show the same view of a sample twice */
function checkViews({ augment, views, repeatedAugmentation: repeats }: CommonOptions, path: string): void {
  if (repeats > 1 && augment.length === 0) {
    throw new InputError(`repeatedAugmentation: ${repeats} times the same image, since augment is empty`, {
      hints: ['list augmentations, or leave repeatedAugmentation out'],
      where: path,
    });
  }
  if (views !== undefined && repeats > views) {
    throw new InputError(
      `repeatedAugmentation: an epoch shows ${repeats} views of a sample, views: ${views} allows fewer`,
      {
        hints: [`set views to at least ${repeats}`],
        where: path,
      },
    );
  }
}

function makeSplits(
  { classes, train: published, validation: given, test }: ImageSource,
  { validation: fraction, without, randomLabels, labelled, unlabelled, dataSeed }: CommonOptions,
  limit: Limit,
  path: string,
): Record<'train' | 'validation' | 'test', Sample[]> {
  checkClassNumbers('without', without, classes.length, path);
  checkClassNumbers('randomLabels', randomLabels, classes.length, path);
  const seeds = new Seeds(dataSeed);
  const seen = published.filter(({ label }) => !without.includes(label));
  if (seen.length === 0) throw new InputError('no train samples: `without` names every class', { where: path });

  const { taken, rest } = given
    ? { taken: given, rest: seen }
    : splitByClass(seen, fraction, seeds.within('validation'));
  if (!given && fraction > 0 && taken.length === 0) {
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
  const train = limited(rest, 'train');
  const known = labelledByClass(train, labelled, seeds.within('labelled'));
  return {
    train: train
      .filter((sample) => unlabelled === 'keep' || known.has(sample))
      .map((sample) => {
        if (!known.has(sample)) return { ...sample, label: UNLABELLED };
        return randomLabels.includes(sample.label) ? random(sample) : sample;
      }),
    validation: limited(taken, 'validation'),
    test: limited(test, 'test'),
  };
}
