import { partReference, selectionOptions, z } from '@retort/core';
// For the kinds optimizer and schedule.
import type {} from '@retort/nn';

export const mtkdOptions = z.strictObject({
  epochs: z.int().positive().default(30).describe('Passes over the train split.'),
  optimizer: partReference('optimizer')
    .prefault({ use: 'sgd' })
    .describe('Trains the student and the adapters of its losses.'),
  schedule: partReference('schedule').prefault({ use: 'cosine' }).describe('Learning rate over the run.'),
  weighting: partReference('weighting').prefault({ use: 'agent' }).describe('How much each teacher counts.'),
  warmStart: z
    .string()
    .optional()
    .describe("Folder of a saved student of the same network to start from, such as a run's student/best."),
  ema: z
    .strictObject({
      decay: z
        .number()
        .gt(0)
        .lt(1)
        .default(0.9999)
        .describe('Share of the average that is kept at each step; it looks back over about 1 / (1 − decay) steps.'),
      warmup: z
        .boolean()
        .default(true)
        .describe('Forgets the start sooner: the decay is at most (1 + t) / (10 + t) at step t.'),
    })
    .optional()
    .describe(
      'Evaluates and saves an exponential moving average of the student, last and best alike, in place of the student itself.',
    ),
  ...selectionOptions,
});

export type MtkdOptions = z.output<typeof mtkdOptions>;
