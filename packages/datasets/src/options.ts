import { z } from '@retort/core';
import type { Augmentation } from './augmentation.js';

const classNumbers = z.array(z.int().nonnegative()).default([]);

/** Options that every data set of images here has, beside `augment`, whose default is the set's own. */
export const commonOptions = {
  batchSize: z.int().positive().default(64).describe('Samples in a batch; the last one of an epoch may be smaller.'),
  validation: z
    .number()
    .min(0)
    .lt(1)
    .default(0.1)
    .describe('Fraction of every class of the train split that is held out for validation; 0 for none.'),
  padding: z.int().positive().default(4).describe('Width in pixels of the border that crop cuts from.'),
  views: z
    .int()
    .positive()
    .optional()
    .describe(
      'How many augmented views a train sample has: epoch e shows view e mod this number, so that what teachers say of a view ' +
        'can be kept. Left out: a new view every epoch.',
    ),
  repeatedAugmentation: z
    .int()
    .positive()
    .default(1)
    .describe(
      'How many views of a sample an epoch shows, side by side (Hoffer et al. 2020). An epoch stays as long and shows that ' +
        'much fewer samples.',
    ),
  labelled: z
    .number()
    .gt(0)
    .max(1)
    .default(1)
    .describe(
      'Fraction of every class of the train split whose labels are known, one sample of each at least; validation and test ' +
        'keep all of theirs.',
    ),
  unlabelled: z
    .enum(['keep', 'drop'])
    .default('keep')
    .describe(
      'Samples beside the labelled ones: kept with label -1, or dropped, for a teacher that learned from the same few.',
    ),
  dataSeed: z
    .int()
    .nonnegative()
    .default(0)
    .describe(
      "Seed of what stays the same in runs of different seeds: the validation split, which labels are known, and `randomLabels`' " +
        'labels.',
    ),
  randomLabels: classNumbers.describe(
    'Class numbers whose train labels are replaced by uniformly random ones, for teachers that are wrong on purpose.',
  ),
  without: classNumbers.describe('Class numbers left out of train and validation, for teachers that never saw them.'),
};

/** Room for images of data sets that are files. */
export const cacheOption = z
  .number()
  .nonnegative()
  .default(512)
  .describe('Memory for decoded images; the rest is decoded again.');

/** What is left of each split for a quick run. */
export const limitOption = z
  .strictObject({
    train: z.int().positive().optional().describe('Train samples at most.'),
    validation: z.int().positive().optional().describe('Validation samples at most.'),
    test: z.int().positive().optional().describe('Test samples at most.'),
  })
  .default({})
  .describe('Uses fewer samples of a split, as evenly over the classes as they allow.');

/** The options of {@link imageDataset}, after validation. */
export type CommonOptions = z.output<z.ZodObject<typeof commonOptions>> & { augment: Augmentation[] };
export type Limit = z.output<typeof limitOption>;
