import { commonOptions, type CommonOptions } from './options.js';

const { batchSize, padding, views, dataSeed } = commonOptions;

/** The common options of sets whose samples have texts instead of labels, beside `augment` and `tokenizer`. */
export const unlabelledOptions = {
  batchSize,
  validation: commonOptions.validation.describe('Fraction of the train split held out for validation; 0 for none.'),
  padding,
  views,
  dataSeed: dataSeed.describe('Seed of what stays the same in runs of different seeds: the validation split.'),
};

/** What {@link imageDataset} is to do with labels: nothing. */
export const noLabelOptions = {
  without: [],
  randomLabels: [],
  labelled: 1,
  unlabelled: 'keep',
  repeatedAugmentation: 1,
} satisfies Partial<CommonOptions>;
