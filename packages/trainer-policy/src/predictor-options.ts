import { partReference, z } from '@retort/core';

/** Options of rewards that learn to predict. */
export const predictorOptions = {
  hidden: z.array(z.int().positive()).default([64]).describe('Widths of the hidden layers of predictor and target.'),
  size: z.int().positive().default(32).describe('Numbers that a random target gives.'),
  optimizer: partReference('optimizer')
    .prefault({ use: 'adamw', learningRate: 1e-3 })
    .describe('Moves the predictor, at its peak learning rate.'),
  batchSize: z.int().positive().default(256).describe('Observations per step of the predictor.'),
  discount: z
    .number()
    .min(0)
    .lt(1)
    .default(0.99)
    .describe('Of the sums whose running deviation this reward is divided by.'),
};
