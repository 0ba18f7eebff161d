import { partReference, z } from '@retort/core';

/** Options that agents share. */
export const networkOptions = {
  hidden: z
    .array(z.int().positive())
    .default([128])
    .describe('Widths of the hidden layers, ReLU after each; one linear layer per action follows.'),
  optimizer: partReference('optimizer')
    .prefault({ use: 'adamw', learningRate: 1e-3 })
    .describe('Moves every network of the agent, at its peak learning rate.'),
  normalizeState: z
    .boolean()
    .default(true)
    .describe('Subtract the running mean of each number of the state and divide by its running deviation.'),
};

export const batchSize = z.int().positive().default(64).describe('States per gradient step.');

export const discount = z
  .number()
  .min(0)
  .max(1)
  .default(0.99)
  .describe('Worth of a reward one step later. Without effect in one-step problems.');

export const distribution = partReference('distribution')
  .prefault({ use: 'logistic-normal' })
  .describe('How simplex actions are sampled.');

export const entropyCoefficient = (byDefault: number) =>
  z
    .number()
    .nonnegative()
    .default(byDefault)
    .describe('Reward for entropy, in nats; keeps the policy from settling early.');
