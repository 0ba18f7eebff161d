import { definePart, z } from '@retort/core';
import { createEpisodeGroups } from './episode-groups.js';
import * as shared from './options.js';
import { createWeightGroups } from './weight-groups.js';

const options = z.strictObject({
  ...shared.networkOptions,
  anneal: shared.anneal,
  unroll: shared.unroll,
  distribution: shared.distribution,
  groupSize: z
    .int()
    .min(2)
    .default(8)
    .describe('Actions drawn per state and compared with each other. In environments all copies are the group.'),
  normalize: z
    .enum(['deviation', 'none'])
    .default('deviation')
    .describe(
      "deviation: what an action or episode earned beyond its group's mean, in units of the group's deviation. none: the difference " +
        'alone, which does not favor states where all actions earn much the same (Liu et al. 2025).',
    ),
  clip: shared.clip,
  steps: z
    .int()
    .positive()
    .default(2)
    .describe('Gradient steps on one set of drawn actions; in environments passes over the episodes, times `epochs`.'),
  epochs: z.int().positive().default(1).describe('Passes over the states that were observed, per update.'),
  batchSize: shared.batchSize,
  entropyCoefficient: shared.entropyCoefficient(0.01),
  maxGradientNorm: shared.maxGradientNorm,
});

export type GroupOptions = z.output<typeof options>;

/**
 * Group relative policy optimization (Shao et al. 2024): what is earned is compared with others of a group, so no value network is
 * needed. Weights whose components' rewards are known: see {@link createWeightGroups}. Environments: {@link createEpisodeGroups}.
 */
export const grpo = definePart('agent', {
  name: 'grpo',
  summary:
    'Group relative policy optimization: actions of one state or whole episodes compared with each other, no value network.',
  options,
  create: (given, context) =>
    context.network ? createEpisodeGroups(given, context) : createWeightGroups(given, context),
});
