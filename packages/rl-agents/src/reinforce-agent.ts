import { definePart, partReference, z } from '@retort/core';
import * as shared from './options.js';
import { createSampledPolicyGradient } from './sampled-policy-gradient.js';

const options = z.strictObject({
  ...shared.networkOptions,
  ...shared.actorCriticOptions,
  optimizer: partReference('optimizer')
    .prefault({ use: 'adamw', learningRate: 1e-2 })
    .describe('Moves every network of the agent, at its peak learning rate; a high one, for steps are few.'),
  distribution: shared.distribution,
  baseline: z
    .enum(['value', 'mean', 'none'])
    .default('value')
    .describe('What is subtracted from returns. value: a value function; mean: their mean over the update.'),
  normalize: z
    .enum(['rms', 'none'])
    .default('rms')
    .describe('rms: advantages are divided by their running root mean square. none: as they are.'),
  entropyCoefficient: shared.entropyCoefficient(0.01),
  epochs: z
    .int()
    .positive()
    .default(4)
    .describe('Passes of a value network of its own over what was observed, per update. The policy takes one step.'),
  batchSize: shared.batchSize.describe('States per step of a value network of its own.'),
  discount: shared.discount,
  maxGradientNorm: shared.maxGradientNorm,
});

/** REINFORCE with a baseline, over whole episodes: pg with gradient sampled under the name it has in environments. */
export const reinforceAgent = definePart('agent', {
  name: 'reinforce',
  summary: 'REINFORCE with a baseline: one step along returns-to-go, on whole episodes.',
  options,
  create: async (given, context) => {
    const optimizer = await context.scope.create(given.optimizer, undefined);
    return createSampledPolicyGradient(given, optimizer, context);
  },
});
