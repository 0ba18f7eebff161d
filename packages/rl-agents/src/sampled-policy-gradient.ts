import type { AgentContext, PartReference } from '@retort/core';
import type { Optimizer } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { estimateAdvantages } from './advantage.js';
import { createLearner } from './learner.js';
import { eachMinibatch } from './minibatches.js';
import { createValueNetwork, prefixed, squaredError } from './network.js';
import { reinforceObjective } from './objective.js';
import type { OnPolicyMethod } from './on-policy-agent.js';
import { createPolicy, distributionsFor } from './policy.js';
import { createRunningScale } from './running-moments.js';
import { actionsOf, recordSampled } from './sampled-actions.js';

export interface SampledOptions {
  hidden: number[];
  distribution: PartReference<'distribution'>;
  baseline: 'value' | 'mean';
  normalize: 'rms' | 'none';
  epochs: number;
  batchSize: number;
  entropyCoefficient: number;
  discount: number;
}

/**
 * REINFORCE (Williams 1992) on discounted returns. One step per update over all that was observed: after that step the
 * experience is no longer the policy's own. The value network, which does not mind, goes through it in minibatches.
 */
export async function createSampledPolicyGradient(
  given: SampledOptions,
  optimizer: Optimizer,
  context: AgentContext,
): Promise<OnPolicyMethod> {
  const { stateSize, seeds } = context;
  const [init, noise, order] = ['init', 'noise', 'order'].map((name) => seeds.stream(name));
  const policy = createPolicy(stateSize, given.hidden, await distributionsFor(context, given.distribution), init);
  const policyLearner = createLearner(optimizer, policy.variables);
  const value = given.baseline === 'value' ? createValueNetwork(stateSize, given.hidden, init) : undefined;
  const valueLearner = value && createLearner(optimizer, value.variables);
  const scale = createRunningScale();
  const heads = Object.keys(context.actions);
  return {
    variables: {
      ...prefixed('policy', policyLearner.variables),
      ...(valueLearner && prefixed('value', valueLearner.variables)),
      ...prefixed('scale', scale.variables),
    },
    noise: (batchSize) => policy.noise(batchSize, noise),
    act: policy.act,
    record: recordSampled,
    learn: (rollout, see) => {
      const states = rollout.column<tf.Tensor2D>('state');
      const actions = actionsOf(rollout, heads);
      const valueOf = value && ((state: tf.Tensor2D) => value.apply(see(state)));
      const estimated = estimateAdvantages(rollout, valueOf, { ...given, lambda: 1 });
      let advantage = value ? estimated.advantage : estimated.advantage.sub<tf.Tensor1D>(estimated.advantage.mean());
      if (given.normalize === 'rms') {
        scale.absorb(advantage);
        advantage = scale.scale(advantage);
      }
      const state = see(states);
      const report = policyLearner.minimize(() => {
        const { logProbability, entropy: entropies } = policy.evaluate(state, actions);
        const entropy = entropies.mean<tf.Scalar>();
        const loss = reinforceObjective({ logProbability, oldLogProbability: logProbability, advantage })
          .mean<tf.Scalar>()
          .sub<tf.Scalar>(entropy.mul(given.entropyCoefficient));
        return { loss, entropy };
      });
      if (!value || !valueLearner) return report;
      const { loss: valueLoss } = eachMinibatch(rollout.rows, given, order, (rows) =>
        valueLearner.minimize(() => ({
          loss: squaredError(value.apply(see(tf.gather(states, rows))), tf.gather(estimated.target, rows)),
        })),
      );
      return { ...report, valueLoss };
    },
  };
}
