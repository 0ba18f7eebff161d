import { type Agent, definePart, z } from '@retort/core';
import { createDeterministicActorCritic } from './deterministic-actor-critic.js';
import { offPolicyOptions } from './off-policy-agent.js';
import * as shared from './options.js';

const options = z.strictObject({
  hidden: z
    .array(z.int().positive())
    .default([128, 128])
    .describe('Widths of the hidden layers of each critic, ReLU after each.'),
  optimizer: shared.networkOptions.optimizer,
  ...offPolicyOptions,
  boxNoise: z
    .number()
    .nonnegative()
    .default(0.1)
    .describe('Deviation of the exploration noise on actions, in half ranges.'),
  targetNoise: z
    .number()
    .nonnegative()
    .default(0.2)
    .describe(
      'Deviation of the noise on actions in targets, in half ranges: similar actions shall have similar values.',
    ),
  targetNoiseClip: z.number().nonnegative().default(0.5).describe('That noise is clipped here, in half ranges.'),
  policyDelay: z
    .int()
    .positive()
    .default(2)
    .describe('Steps of the critics per step of the actor and of the target networks.'),
  targetRate: z.number().gt(0).max(1).default(0.005).describe('How far target networks move at each of their steps.'),
});

/**
 * Twin delayed deep deterministic policy gradient (Fujimoto, van Hoof & Meger 2018, algorithm 1): targets are the smaller of two
 * critics' values of a noisy target action, and the actor moves less often than the critics. For box actions in environments.
 */
export const td3 = definePart('agent', {
  name: 'td3',
  summary: 'Twin delayed DDPG: two critics, smoothed targets, a slower actor. Box actions in environments.',
  options,
  create: async ({ targetNoise, targetNoiseClip, ...given }, context): Promise<Agent> => {
    const optimizer = await context.scope.create(given.optimizer, undefined);
    const smoothing = { deviation: targetNoise, clip: targetNoiseClip };
    return createDeterministicActorCritic('td3', { ...given, critics: 2, smoothing }, context, optimizer);
  },
});
