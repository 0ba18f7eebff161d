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

export const clip = z
  .number()
  .gt(0)
  .lt(1)
  .default(0.2)
  .describe('How far the probability ratio may move and still earn.');

export const maxGradientNorm = z.number().positive().default(0.5).describe('Longer gradients are shortened to this.');

export const anneal = z
  .boolean()
  .default(false)
  .describe('Whether the learning rate falls in a line to 0 at the end of the run.');

export const unroll = z
  .int()
  .positive()
  .default(32)
  .describe('Steps that gradients flow back through time, of networks that remember.');

/** Options of agents that may learn a policy and a value as one network. */
export const actorCriticOptions = {
  anneal,
  unroll,
  valueCoefficient: z
    .number()
    .positive()
    .default(0.5)
    .describe("What the value's loss counts beside the policy's, where one network has both."),
};
