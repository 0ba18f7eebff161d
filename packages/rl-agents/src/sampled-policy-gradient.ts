import type { AgentContext, PartReference } from '@retort/core';
import { compile, type Optimizer, type TensorMap } from '@retort/nn';
import type * as tf from '@tensorflow/tfjs';
import { estimateAdvantages } from './advantage.js';
import { createLearner } from './learner.js';
import { eachMinibatch, minibatch } from './minibatches.js';
import { createValueNetwork, prefixed, squaredError, unprefixed } from './network.js';
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
  const policyStep = compile(
    (inputs: TensorMap) =>
      policyLearner.minimize(() => {
        const advantage = inputs.advantage as tf.Tensor1D;
        const actions = unprefixed('action', inputs);
        const { logProbability, entropy: entropies } = policy.evaluate(inputs.state as tf.Tensor2D, actions);
        const entropy = entropies.mean<tf.Scalar>();
        const loss = reinforceObjective({ logProbability, oldLogProbability: logProbability, advantage })
          .mean<tf.Scalar>()
          .sub<tf.Scalar>(entropy.mul(given.entropyCoefficient));
        return { loss, entropy };
      }),
    { variables: policyLearner.variables },
  );
  const valueStep =
    value &&
    valueLearner &&
    compile(
      (inputs: TensorMap) => {
        const { state, target } = minibatch(inputs) as { state: tf.Tensor2D; target: tf.Tensor1D };
        return valueLearner.minimize(() => ({ loss: squaredError(value.apply(state), target) }));
      },
      { variables: valueLearner.variables },
    );
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
      const state = see(rollout.column<tf.Tensor2D>('state'));
      const actions = actionsOf(rollout, heads);
      const valueOf = value && ((state: tf.Tensor2D) => value.apply(see(state)));
      const estimated = estimateAdvantages(rollout, valueOf, { ...given, lambda: 1 });
      let advantage = value ? estimated.advantage : estimated.advantage.sub<tf.Tensor1D>(estimated.advantage.mean());
      if (given.normalize === 'rms') {
        scale.absorb(advantage);
        advantage = scale.scale(advantage);
      }
      const report = policyStep({ state, advantage, ...prefixed('action', actions) });
      if (!valueStep) return report;
      const { loss: valueLoss } = eachMinibatch({ state, target: estimated.target }, given, order, valueStep);
      return { ...report, valueLoss };
    },
  };
}
