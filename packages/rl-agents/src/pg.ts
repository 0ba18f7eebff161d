import { definePart, z } from '@retort/core';
import { refuseGuidance } from './actor-critic.js';
import { createExactPolicyGradient, weightObjectives } from './exact-policy-gradient.js';
import { createOnPolicyAgent } from './on-policy-agent.js';
import * as shared from './options.js';
import { createSampledPolicyGradient } from './sampled-policy-gradient.js';

const options = z.strictObject({
  ...shared.networkOptions,
  gradient: z
    .enum(['exact', 'sampled'])
    .optional()
    .describe(
      'exact: deterministic weights, moved by what each component would earn (simplex actions). sampled: REINFORCE. ' +
        'Default: exact where all actions are simplex.',
    ),
  objective: z
    .enum(weightObjectives)
    .default('weight')
    .describe(
      'exact only: what is ascended, Σ over components of advantage times … weight: the weight. weighted-log: its logarithm, times the ' +
        'weight as a constant, which has the same gradient. log: its logarithm; weights come to rest only where advantages are above 0.',
    ),
  normalize: z
    .enum(['rms', 'none'])
    .default('rms')
    .describe('rms: advantages are divided by their running root mean square. none: as they are.'),
  entropyCoefficient: shared.entropyCoefficient(0.05),
  epochs: z
    .int()
    .positive()
    .default(1)
    .describe('Passes over what was observed, per update. sampled: of the value network only.'),
  batchSize: shared.batchSize,
  distribution: shared.distribution,
  baseline: z
    .enum(['value', 'mean'])
    .default('value')
    .describe('What is subtracted from returns. sampled only. value: a network; mean: their mean over the update.'),
  discount: shared.discount,
});

/** What `reinforce` has options for. */
const sampledDefaults = { valueCoefficient: 0.5, unroll: 32, anneal: false };

/** Policy gradient: exact for weights whose components' rewards are known, REINFORCE otherwise. */
export const pg = definePart('agent', {
  name: 'pg',
  summary: 'Policy gradient, exact where the reward of every component is known, sampled otherwise.',
  options,
  create: async (given, context) => {
    const optimizer = await context.scope.create(given.optimizer, undefined);
    const isSimplex = Object.values(context.actions).every(({ kind }) => kind === 'simplex');
    if ((given.gradient ?? (isSimplex ? 'exact' : 'sampled')) === 'sampled') {
      return createSampledPolicyGradient({ ...given, ...sampledDefaults }, optimizer, context);
    }
    refuseGuidance(context);
    const method = createExactPolicyGradient(given, optimizer, context);
    return createOnPolicyAgent(method, context.stateSize, given.normalizeState);
  },
});
