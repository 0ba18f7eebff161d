import { definePart, InputError, z } from '@retort/core';
import { compile, type TensorMap } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { createCritic } from './critic.js';
import { deterministicHeads, deterministicOptions } from './deterministic-head.js';
import { createLearner } from './learner.js';
import { eachMinibatch, minibatch } from './minibatches.js';
import { createHeadNetwork, prefixed, squaredError } from './network.js';
import { refuseGuidance } from './off-policy-agent.js';
import { createOnPolicyAgent } from './on-policy-agent.js';
import * as shared from './options.js';
import type { Transitions } from './rollout.js';
import { createRunningScale } from './running-moments.js';

const options = z.strictObject({
  ...shared.networkOptions,
  ...deterministicOptions,
  epochs: z.int().positive().default(4).describe('Passes over what was observed, per update.'),
  batchSize: shared.batchSize,
  discount: shared.discount,
});

/**
 * Deterministic policy gradient (Silver et al. 2014): a critic learns what actions earn, and the actor ascends it. What was observed
 * since the last update is learned from and forgotten; ddpg adds replay and target networks. Rewards are divided by their running
 * root mean square. Without next states the critic's target is the reward.
 */
export const dpg = definePart('agent', {
  name: 'dpg',
  summary:
    'Deterministic policy gradient: actor and critic, learning from what was just observed. Simplex and box actions.',
  options,
  create: async (given, context) => {
    const { stateSize, seeds, actions, path, scope } = context;
    refuseGuidance('dpg', context);
    if (context.network) {
      throw new InputError(`${path}: dpg learns with networks of its own, and this run has one to train`, {
        hints: ['use ddpg or td3 for actions of a box, dqn for discrete ones, ppo for either'],
      });
    }
    const [init, noise, order] = ['init', 'noise', 'order'].map((name) => seeds.stream(name));
    const heads = deterministicHeads('dpg', actions, given, path);
    const optimizer = await scope.create(given.optimizer, undefined);
    const actor = createHeadNetwork(stateSize, given.hidden, heads.sizes, init);
    const critic = createCritic(stateSize, heads.size, given.hidden, init);
    const actorLearner = createLearner(optimizer, actor.variables);
    const criticLearner = createLearner(optimizer, critic.variables);
    const rewardScale = createRunningScale();
    const variables = {
      ...prefixed('actor', actorLearner.variables),
      ...prefixed('critic', criticLearner.variables),
      ...prefixed('rewardScale', rewardScale.variables),
    };
    const step = compile(
      (inputs: TensorMap) => {
        const batch = minibatch(inputs);
        const state = batch.state as tf.Tensor2D;
        let target = batch.reward as tf.Tensor1D;
        if (batch.nextState) {
          const next = batch.nextState as tf.Tensor2D;
          const nextValue = critic.apply(next, heads.encodeOutputs(actor.apply(next)));
          target = target.add<tf.Tensor1D>(tf.sub(1, batch.terminated).mul(nextValue).mul(given.discount));
        }
        const { loss: criticLoss } = criticLearner.minimize(() => ({
          loss: squaredError(critic.apply(state, batch.action as tf.Tensor2D), target),
        }));
        const { loss: actorLoss } = actorLearner.minimize(() => {
          const outputs = actor.apply(state);
          const gain = critic
            .apply(state, heads.encodeOutputs(outputs))
            .add(heads.entropy(outputs).mul(given.entropyCoefficient));
          return { loss: gain.mean<tf.Scalar>().neg() };
        });
        return { criticLoss, actorLoss };
      },
      { variables },
    );
    return createOnPolicyAgent(
      {
        variables,
        noise: (batchSize) => heads.noise(batchSize, noise),
        act: (state, drawn) => ({ action: heads.act(actor.apply(state), drawn) }),
        record: ({ state, action, reward, nextState, terminated }): Transitions => ({
          state,
          action: heads.encode(action),
          reward,
          ...(nextState && { nextState, terminated: terminated?.cast('float32') ?? tf.zerosLike(reward) }),
        }),
        learn: (rollout, see) => {
          const reward = rollout.column<tf.Tensor1D>('reward');
          rewardScale.absorb(reward);
          const columns: TensorMap = {
            state: see(rollout.column<tf.Tensor2D>('state')),
            action: rollout.column<tf.Tensor2D>('action'),
            reward: rewardScale.scale(reward),
          };
          if (rollout.has('nextState')) {
            columns.nextState = see(rollout.column<tf.Tensor2D>('nextState'));
            columns.terminated = rollout.column<tf.Tensor1D>('terminated');
          }
          return eachMinibatch(columns, given, order, step);
        },
      },
      stateSize,
      given.normalizeState,
    );
  },
});
