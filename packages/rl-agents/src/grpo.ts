import { definePart, InputError, z } from '@retort/core';
import { compile, type TensorMap, toTensor, untaped } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { createLearner } from './learner.js';
import { eachMinibatch, minibatch } from './minibatches.js';
import { prefixed, unprefixed } from './network.js';
import { ppoObjective } from './objective.js';
import { createOnPolicyAgent } from './on-policy-agent.js';
import * as shared from './options.js';
import { createPolicy, distributionsFor } from './policy.js';
import type { Transitions } from './rollout.js';

const options = z.strictObject({
  ...shared.networkOptions,
  distribution: shared.distribution,
  groupSize: z.int().min(2).default(8).describe('Actions drawn per state and compared with each other.'),
  normalize: z
    .enum(['deviation', 'none'])
    .default('deviation')
    .describe(
      "deviation: what an action earned beyond its group's mean, in units of the group's deviation. none: the difference alone, which " +
        'does not favor states where all actions earn much the same (Liu et al. 2025).',
    ),
  clip: z.number().gt(0).lt(1).default(0.2).describe('How far the probability ratio may move and still earn.'),
  steps: z.int().positive().default(2).describe('Gradient steps on one set of drawn actions.'),
  epochs: z.int().positive().default(1).describe('Passes over the states that were observed, per update.'),
  batchSize: shared.batchSize,
  entropyCoefficient: shared.entropyCoefficient(0.01),
  maxGradientNorm: z.number().positive().default(0.5).describe('Longer gradients are shortened to this.'),
});

/**
 * Group relative policy optimization (Shao et al. 2024) for weights whose components' rewards are known: what an action earns is
 * compared with others drawn in the same state, so no value network is needed. Actions are drawn when it learns, from the policy
 * as it is then, since every weighting's reward follows from the components'.
 */
export const grpo = definePart('agent', {
  name: 'grpo',
  summary: 'Group relative policy optimization: actions of one state compared with each other, no value network.',
  options,
  create: async (given, context) => {
    const { stateSize, seeds, scope, actions, path } = context;
    const heads = Object.keys(actions);
    for (const [head, { kind }] of Object.entries(actions)) {
      if (kind !== 'simplex') {
        throw new InputError(`${path}: grpo draws groups from rewards of components, "${head}" is ${kind}`, {
          hints: ['use ppo or pg'],
        });
      }
    }
    const [init, noise, order] = ['init', 'noise', 'order'].map((name) => seeds.stream(name));
    const optimizer = await scope.create(given.optimizer, undefined);
    const policy = createPolicy(stateSize, given.hidden, await distributionsFor(context, given.distribution), init);
    const learner = createLearner(optimizer, policy.variables, given.maxGradientNorm);
    const objective = ppoObjective(given.clip);
    const variables = prefixed('policy', learner.variables);

    const step = compile(
      ({ rows, ...inputs }: TensorMap) => {
        const batch = minibatch({ rows, ...columnsOf(inputs) });
        const repeated = (x: tf.Tensor) => tf.tile(x, [given.groupSize, 1]) as tf.Tensor2D;
        const state = repeated(batch.state);
        const drawn = untaped(() => policy.act(state, unprefixed('noise', inputs)));
        const earned = tf.addN(
          heads.map((head) => repeated(batch[`component/${head}`]).mul(drawn.action[head]).sum(1)),
        ) as tf.Tensor1D;
        const advantage = groupAdvantage(earned, given.groupSize, given.normalize);
        let report: Record<string, tf.Scalar> = {};
        for (let i = 0; i < given.steps; i++) {
          const { loss, entropy } = learner.minimize(() => {
            const { logProbability, entropy: entropies } = policy.evaluate(state, drawn.action);
            const mean = entropies.mean<tf.Scalar>();
            const policyLoss = objective({ logProbability, oldLogProbability: drawn.logProbability, advantage })
              .mean<tf.Scalar>()
              .sub<tf.Scalar>(mean.mul(given.entropyCoefficient));
            return { loss: policyLoss, entropy: mean };
          });
          if (i === 0) report = { policyLoss: loss, entropy, reward: earned.mean() };
        }
        return report;
      },
      { variables },
    );
    return createOnPolicyAgent(
      {
        variables,
        // It explores when it learns.
        noise: () => ({}),
        act: (state) => policy.act(state),
        record: ({ state, componentReward }): Transitions => {
          const transitions: Transitions = { state };
          for (const head of heads) {
            const reward = componentReward?.[head];
            if (!reward) throw new InputError(`${path}: grpo needs the reward of every component of "${head}"`);
            transitions[`component/${head}`] = reward;
          }
          return transitions;
        },
        learn: (rollout, see) => {
          const columns: TensorMap = { state: see(rollout.column<tf.Tensor2D>('state')) };
          for (const head of heads) columns[`component/${head}`] = rollout.column(`component/${head}`);
          return eachMinibatch(columns, given, order, (inputs) => {
            const drawn = policy.noise(inputs.rows.size * given.groupSize, noise);
            const tensors = Object.fromEntries(
              Object.entries(drawn).map(([name, x]) => [`noise/${name}`, toTensor(x)]),
            );
            return step({ ...inputs, ...tensors });
          });
        },
      },
      stateSize,
      given.normalizeState,
    );
  },
});

function columnsOf(inputs: TensorMap): TensorMap {
  return Object.fromEntries(Object.entries(inputs).filter(([name]) => !name.startsWith('noise/')));
}

/**
 * A_i = r_i − mean of its group, over the group's deviation where asked for (Shao et al. 2024, §4.1.2). A group whose actions all earn
 * the same teaches nothing.
 *
 * @param reward [G · B], the G actions of state b at b, B + b, 2B + b …
 * @returns [G · B]
 */
export function groupAdvantage(reward: tf.Tensor1D, groupSize: number, normalize: 'deviation' | 'none'): tf.Tensor1D {
  return tf.tidy(() => {
    const groups = reward.reshape<tf.Tensor2D>([groupSize, -1]);
    const centered = groups.sub<tf.Tensor2D>(groups.mean(0, true));
    if (normalize === 'none') return centered.as1D();
    // A rounding error apart is the same.
    const deviation = centered.square().mean(0, true).sqrt().add(1e-4);
    return centered.div<tf.Tensor2D>(deviation).as1D();
  });
}
