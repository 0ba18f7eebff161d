import { discrete, type NoiseShapes, type PartKinds, type Random, Registry, resolvePart } from '@retort/core';
import { toTensor } from '@retort/nn';
import { plugin as agents } from '@retort/rl-agents';
import type * as tf from '@tensorflow/tfjs';
import type { WeightedReward } from '../decision-reward.js';
import { plugin } from '../index.js';
import { createDecisionPolicy, type DecisionPolicy, policyOptions } from '../policy.js';

const registry = new Registry().use(agents).use(plugin);

/** A part as a run gets it: by name, from the container. */
export async function part<K extends 'objective' | 'distribution' | 'decision-reward'>(
  kind: K,
  use: unknown,
  context: PartKinds[K]['context'],
): Promise<PartKinds[K]['instance']> {
  return registry.createScope().create(resolvePart(registry, kind, use), context);
}

export async function reward(
  use: string | { use: string; [option: string]: unknown },
  weight = 1,
): Promise<WeightedReward> {
  const name = typeof use === 'string' ? use : use.use;
  return { name, weight, reward: await part('decision-reward', use, { path: 'trainer.rewards' }) };
}

export async function policy(
  classes: number,
  rewards: (WeightedReward | string)[],
  { objective = 'reinforce', ...options }: { objective?: unknown; [option: string]: unknown } = {},
): Promise<DecisionPolicy> {
  return createDecisionPolicy(
    {
      objective: await part('objective', objective, undefined),
      classes: await part('distribution', 'categorical', { space: discrete(classes), path: 'trainer.policy' }),
      rewards: await Promise.all(rewards.map((each) => (typeof each === 'string' ? reward(each) : each))),
      path: 'trainer.policy',
    },
    policyOptions.parse(options),
  );
}

/** Noise of these shapes, drawn on the host as a trainer does. */
export function draw(shapes: NoiseShapes, random: Random): Record<string, tf.Tensor> {
  return Object.fromEntries(
    Object.entries(shapes).map(([name, { shape, from }]) => {
      const size = shape.reduce((product, n) => product * n, 1);
      return [name, toTensor({ data: random.fill(new Float32Array(size), from), shape })];
    }),
  );
}
