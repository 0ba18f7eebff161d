import { definePart, z } from '@retort/core';
import { compile, type TensorMap } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { estimateAdvantages, standardize } from './advantage.js';
import { createLearner } from './learner.js';
import { eachMinibatch, minibatch } from './minibatches.js';
import { createValueNetwork, prefixed, squaredError, unprefixed } from './network.js';
import { ppoObjective } from './objective.js';
import { createOnPolicyAgent } from './on-policy-agent.js';
import * as shared from './options.js';
import { createPolicy, distributionsFor } from './policy.js';
import { actionsOf, recordSampled } from './sampled-actions.js';

const options = z.strictObject({
  ...shared.networkOptions,
  distribution: shared.distribution,
  clip: z.number().gt(0).lt(1).default(0.2).describe('How far the probability ratio may move and still earn.'),
  epochs: z.int().positive().default(4).describe('Passes over what was observed, per update.'),
  batchSize: shared.batchSize,
  entropyCoefficient: shared.entropyCoefficient(0.01),
  discount: shared.discount,
  lambda: z
    .number()
    .min(0)
    .max(1)
    .default(0.95)
    .describe('Advantages: 0 trusts the value network, 1 the rewards. Without effect in one-step problems.'),
  maxGradientNorm: z.number().positive().default(0.5).describe('Longer gradients are shortened to this.'),
});

/**
 * Proximal policy optimization (Schulman et al. 2017) with a value network of its own and generalized advantages, standardized
 * over what was observed. In one-step problems the advantage is reward − value.
 */
export const ppo = definePart('agent', {
  name: 'ppo',
  summary: 'Proximal policy optimization: a stochastic policy, several clipped steps on the same experience.',
  options,
  create: async (given, context) => {
    const { stateSize, seeds, scope } = context;
    const [init, noise, order] = ['init', 'noise', 'order'].map((name) => seeds.stream(name));
    const optimizer = await scope.create(given.optimizer, undefined);
    const policy = createPolicy(stateSize, given.hidden, await distributionsFor(context, given.distribution), init);
    const value = createValueNetwork(stateSize, given.hidden, init);
    const policyLearner = createLearner(optimizer, policy.variables, given.maxGradientNorm);
    const valueLearner = createLearner(optimizer, value.variables, given.maxGradientNorm);
    const objective = ppoObjective(given.clip);
    const heads = Object.keys(context.actions);
    const variables = { ...prefixed('policy', policyLearner.variables), ...prefixed('value', valueLearner.variables) };
    const step = compile(
      (inputs: TensorMap) => {
        const batch = minibatch(inputs);
        const state = batch.state as tf.Tensor2D;
        const [advantage, target, oldLogProbability] = ['advantage', 'target', 'oldLogProbability'].map(
          (name) => batch[name] as tf.Tensor1D,
        );
        const { loss: policyLoss, ...report } = policyLearner.minimize(() => {
          const { logProbability, entropy: entropies } = policy.evaluate(state, unprefixed('action', batch));
          const entropy = entropies.mean<tf.Scalar>();
          // k3 of Schulman's "Approximating KL divergence": e^d − 1 − d
          const d = logProbability.sub(oldLogProbability);
          const divergence = d.exp().sub(1).sub(d).mean<tf.Scalar>();
          const loss = objective({ logProbability, oldLogProbability, advantage })
            .mean<tf.Scalar>()
            .sub<tf.Scalar>(entropy.mul(given.entropyCoefficient));
          return { loss, entropy, divergence };
        });
        const { loss: valueLoss } = valueLearner.minimize(() => ({
          loss: squaredError(value.apply(state), target),
        }));
        return { policyLoss, valueLoss, ...report };
      },
      { variables },
    );
    return createOnPolicyAgent(
      {
        variables,
        noise: (batchSize) => policy.noise(batchSize, noise),
        act: policy.act,
        record: recordSampled,
        learn: (rollout, see) => {
          const state = see(rollout.column<tf.Tensor2D>('state'));
          const actions = actionsOf(rollout, heads);
          const { advantage, target } = estimateAdvantages(rollout, (state) => value.apply(see(state)), given);
          const oldLogProbability = rollout.has('logProbability')
            ? rollout.column<tf.Tensor1D>('logProbability')
            : tf.tidy(() => policy.evaluate(state, actions).logProbability);
          const columns = { state, advantage: standardize(advantage), target, oldLogProbability };
          return eachMinibatch({ ...columns, ...prefixed('action', actions) }, given, order, step);
        },
      },
      stateSize,
      given.normalizeState,
    );
  },
});
