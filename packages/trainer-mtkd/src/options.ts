import { partReference, z } from '@retort/core';
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
  evaluateEvery: z.int().positive().default(1).describe('Epochs between two evaluations on the validation split.'),
  select: z
    .string()
    .default('top-1')
    .describe('The metric by which the best student is chosen on the validation split.'),
  selectBy: z.enum(['highest', 'lowest']).default('highest').describe('Which values of that metric are better.'),
  earlyStopping: z
    .strictObject({ patience: z.int().positive().describe('Evaluations without a better value before the run ends.') })
    .optional()
    .describe('Ends a run that no longer improves; without it all epochs are run.'),
});

export type MtkdOptions = z.output<typeof mtkdOptions>;
