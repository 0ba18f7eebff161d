import { type Agent, definePart, type HostTensor, InputError, z } from '@retort/core';
import { compile, type TensorMap } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { createLearner } from './learner.js';
import { prefixed, type Variables } from './network.js';
import { createOffPolicyAgent, offPolicyOptions, takeNetwork } from './off-policy-agent.js';
import * as shared from './options.js';
import { givenPolicyNetwork } from './policy-network.js';
import { follow } from './target-network.js';

const options = z.strictObject({
  optimizer: shared.networkOptions.optimizer,
  double: z
    .boolean()
    .default(true)
    .describe('The network chooses the next action and the target network values it, against overestimation.'),
  nStep: z.int().positive().default(1).describe('Rewards in a target before the target network takes over.'),
  ...offPolicyOptions,
  epsilon: z
    .strictObject({
      start: z.number().min(0).max(1).default(1).describe('Share of random actions at first.'),
      end: z.number().min(0).max(1).default(0.05).describe('Share of random actions in the end.'),
      steps: z.int().positive().default(25_000).describe('Transitions over which it falls, in a line.'),
    })
    .prefault({})
    .describe('Random actions while it learns.'),
  targetEvery: z
    .int()
    .positive()
    .optional()
    .describe('Gradient steps after which the target network becomes the network; 50 unless targetRate is given.'),
  targetRate: z
    .number()
    .gt(0)
    .max(1)
    .optional()
    .describe('Share of the way the target network goes towards the network after each gradient step, instead.'),
  huber: z
    .number()
    .positive()
    .default(1)
    .describe('Errors of values count by their square up to here, by their size beyond.'),
  maxGradientNorm: z.number().positive().default(10).describe('Longer gradients are shortened to this.'),
});

/**
 * Deep Q-network (Mnih et al. 2015) with double targets (van Hasselt, Guez & Silver 2016) and returns of several steps (Sutton
 * 1988; Hessel et al. 2018). The given network's `logits` are the values of the actions; a dueling network's are, too (Wang et
 * al. 2016). For discrete actions in environments.
 */
export const dqn = definePart('agent', {
  name: 'dqn',
  summary: 'Deep Q-network: values of discrete actions, from a replay. Double, dueling, several steps.',
  options,
  create: async (given, context): Promise<Agent> => {
    const { scope, seeds, actions, path } = context;
    const network = takeNetwork('dqn', 'discrete', context);
    const { targetEvery, targetRate } = given;
    if (targetEvery !== undefined && targetRate !== undefined) {
      throw new InputError(`${path}: targetEvery and targetRate are two ways to move one target network`, {
        hints: ['give one of them'],
      });
    }
    const [[head, space]] = Object.entries(actions);
    const { size } = space as { size: number };
    const [noise, order] = ['noise', 'order'].map((name) => seeds.stream(name));
    const optimizer = await scope.create(given.optimizer, undefined);
    const online = givenPolicyNetwork(network, context);
    const copy = await network.copy();
    const target = givenPolicyNetwork({ ...network, student: copy }, context);
    const learner = createLearner(optimizer, online.variables, given.maxGradientNorm);
    const variables: Variables = {
      ...prefixed('network', learner.variables),
      ...prefixed('fixed', online.fixed),
      ...prefixed('target', target.variables),
      ...prefixed('targetFixed', target.fixed),
    };
    follow(target.variables, online.variables, 1);
    const valuesBy = ({ apply }: typeof online, state: tf.Tensor) => apply(state as tf.Tensor2D).heads[head];

    const act = compile(
      ({ state, explore, choice }: TensorMap) => {
        const best = tf.argMax<tf.Tensor1D>(valuesBy(online, state), 1);
        return { action: explore ? tf.where(explore.greater(0), choice, best) : best };
      },
      { variables: { ...online.variables, ...online.fixed } },
    );
    const learn = compile(
      ({ state, action, reward, nextState, bootstrap }: TensorMap) => {
        const next = valuesBy(target, nextState);
        const nextValue = given.double
          ? chosen(next, tf.argMax(valuesBy(online, nextState), 1))
          : next.max<tf.Tensor1D>(1);
        const goal = reward.add<tf.Tensor1D>(bootstrap.mul(nextValue));
        const report = learner.minimize(() => {
          const value = chosen(valuesBy(online, state), action.as1D().toInt());
          return { loss: huberLoss(value.sub(goal), given.huber), value: value.mean<tf.Scalar>() };
        });
        if (targetRate !== undefined) follow(target.variables, online.variables, targetRate);
        return report;
      },
      { variables },
    );

    return createOffPolicyAgent(
      {
        variables,
        actionSize: 1,
        noise: (batchSize, seen): Record<string, HostTensor> => {
          const { start, end, steps } = given.epsilon;
          const epsilon = start + (end - start) * Math.min(1, seen / steps);
          const explore = Int32Array.from({ length: batchSize }, () => (noise.uniform() < epsilon ? 1 : 0));
          const choice = Int32Array.from({ length: batchSize }, () => noise.integer(size));
          const shape = [batchSize];
          return { [`${head}/explore`]: { data: explore, shape }, [`${head}/choice`]: { data: choice, shape } };
        },
        act: (state, drawn) => {
          const exploring = drawn && { explore: drawn[`${head}/explore`], choice: drawn[`${head}/choice`] };
          return { action: { [head]: act({ state, ...exploring }).action } };
        },
        prepare: () => follow(target.fixed, online.fixed, 1),
        learn: (batch, step) => {
          const report = learn(batch);
          if (targetRate === undefined && step % (targetEvery ?? 50) === 0)
            follow(target.variables, online.variables, 1);
          return report;
        },
        dispose: () => {
          copy.model.dispose();
          const givenOnes = new Set(Object.values(online.variables));
          tf.dispose(Object.values(learner.variables).filter((variable) => !givenOnes.has(variable)));
        },
      },
      given,
      context,
      order,
    );
  },
});

/** [B]: of each row the value of one action. @param action [B] int32 */
function chosen(values: tf.Tensor2D, action: tf.Tensor1D): tf.Tensor1D {
  return values.mul(tf.oneHot(action, values.shape[1])).sum(1);
}

/** Mean of ½ e² where |e| ≤ δ, of δ (|e| − ½ δ) beyond (Huber 1964). */
function huberLoss(error: tf.Tensor1D, delta: number): tf.Scalar {
  const size = error.abs();
  const within = tf.minimum(size, delta);
  return within.square().mul(0.5).add(size.sub(within).mul(delta)).mean();
}
