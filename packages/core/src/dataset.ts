import type { Batch, BatchAddress, Split } from './batch.js';
import type { RunScope } from './registry.js';
import type { Seeds } from './seeds.js';
import type { Tokenizer } from './tokenizer.js';

/** What data sets with texts hand on beside their batches. */
export interface DatasetText {
  tokenizer: Tokenizer;
  /** Per class, the texts that stand for it in zero-shot classification, one a template; none where there are no classes. */
  prompts: readonly (readonly string[])[];
}

/** What data sets of sequences hand on: prompts, whose answers are to be written token by token and can be checked. */
export interface DatasetSequences {
  /** The text of each token, by its id; V of them. */
  vocabulary: readonly string[];
  /** N, the ids of a row: prompt, answer, end token and padding. */
  length: number;
  /** Most tokens that an answer takes, its end token among them. */
  answerLength: number;
  /** Fills rows up. */
  padToken: number;
  /** Closes every answer. */
  endToken: number;
  /**
   * What an answer earns, in [0, 1]; 1 where it is right.
   *
   * @param index number of the sample, as in `Batch.index`
   * @param answer ids after the prompt; what stands after the first end token is not looked at
   */
  reward(index: number, answer: ArrayLike<number>): number;
}

/** Samples in three splits; `validation` is carved from the published train split. */
export interface Dataset {
  /** Class names in label order; none where samples have no labels. */
  readonly classes: string[];
  /** [H, W, 3]; [1, 1, N] of sequences, which have no images. */
  readonly imageShape: [number, number, number];
  readonly batchSize: number;
  /** Samples per split; 0 where there is none. */
  readonly sizes: Record<Split, number>;
  /** Per-channel statistics of pixels in [0, 1]. */
  readonly normalization: { mean: number[]; deviation: number[] };
  /**
   * How many different views there are of a train sample: 1 without augmentation, V when epoch e shows view e mod V; absent when
   * every epoch shows a new one, so that nothing about them can be kept.
   */
  readonly views?: number;
  /** Present where batches have tokens or classes have prompts. */
  readonly text?: DatasetText;
  /** Present where samples are sequences of tokens. */
  readonly sequences?: DatasetSequences;
  /** Changes whenever the samples, their order or the splits change. */
  readonly fingerprint: string;
  /**
   * One batch. `train` is shuffled per epoch and augmented unless `augment` is false; the others are in order and plain.
   * The last batch of a split may be smaller. Depends on the address and the seed only.
   */
  batch(address: BatchAddress, options?: { augment?: boolean }): Promise<Batch>;
  dispose(): Promise<void> | void;
}

export interface DatasetContext {
  seeds: Seeds;
  /** For data sets that are made of other parts, such as a tokenizer. */
  scope: RunScope;
  /** The manifest's folder, against which relative paths are resolved. */
  baseFolder: string;
  /** Where the data set stands in the manifest, for errors. */
  path: string;
}

/** Batches in one epoch of a split, the last partial one included. */
export function batchesPerEpoch(dataset: Dataset, split: Split): number {
  return Math.ceil(dataset.sizes[split] / dataset.batchSize);
}
