import { type Agent, type AgentContext, type Decision, InputError } from '@retort/core';
import { compile, type TensorMap, toTensor, untaped } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { createActorCritic } from './actor-critic.js';
import { annealed } from './anneal.js';
import { groupAdvantage } from './group-advantage.js';
import type { GroupOptions } from './grpo.js';
import { createLearner } from './learner.js';
import { eachMinibatch, minibatch } from './minibatches.js';
import { prefixed, unprefixed } from './network.js';
import { ppoObjective } from './objective.js';
import { createOnPolicyAgent } from './on-policy-agent.js';
import type { Transitions } from './rollout.js';

/**
 * GRPO for weights whose components' rewards are known: what an action earns is compared with others drawn in the same state.
 * Actions are drawn when it learns, from the policy as it is then, since every weighting's reward follows from the components'.
 */
export async function createWeightGroups(given: GroupOptions, context: AgentContext): Promise<Agent> {
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
  const policy = await createActorCritic(given, context, { init, withValue: false });
  const learner = createLearner(optimizer, policy.variables, given.maxGradientNorm);
  const objective = ppoObjective(given.clip);
  const variables = prefixed('policy', learner.variables);

  const step = compile(
    ({ rows, learningRate, ...inputs }: TensorMap) => {
      const batch = minibatch({ rows, ...columnsOf(inputs) });
      const repeated = (x: tf.Tensor) => tf.tile(x, [given.groupSize, 1]) as tf.Tensor2D;
      const state = repeated(batch.state);
      const drawn = untaped(() => policy.act(state, unprefixed('noise', inputs))) as Required<Decision>;
      const earned = tf.addN(
        heads.map((head) => repeated(batch[`component/${head}`]).mul(drawn.action[head]).sum(1)),
      ) as tf.Tensor1D;
      const advantage = groupAdvantage(earned, given.groupSize, given.normalize);
      let report: Record<string, tf.Scalar> = {};
      for (let i = 0; i < given.steps; i++) {
        const { loss, entropy } = learner.minimize(
          () => {
            const { logProbability, entropy: entropies } = policy.evaluate({
              state,
              ...prefixed('action', drawn.action),
            });
            const mean = entropies.mean<tf.Scalar>();
            const policyLoss = objective({ logProbability, oldLogProbability: drawn.logProbability, advantage })
              .mean<tf.Scalar>()
              .sub<tf.Scalar>(mean.mul(given.entropyCoefficient));
            return { loss: policyLoss, entropy: mean };
          },
          learningRate as tf.Scalar | undefined,
        );
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
      learn: (rollout, see, progress) => {
        const columns: TensorMap = { state: see(rollout.column<tf.Tensor2D>('state')) };
        for (const head of heads) columns[`component/${head}`] = rollout.column(`component/${head}`);
        return eachMinibatch(columns, given, order, (inputs) => {
          const drawn = policy.noise(inputs.rows.size * given.groupSize, noise);
          const tensors = Object.fromEntries(Object.entries(drawn).map(([name, x]) => [`noise/${name}`, toTensor(x)]));
          return step({ ...inputs, ...tensors, ...annealed(given, optimizer, progress) });
        });
      },
    },
    stateSize,
    given.normalizeState,
  );
}

function columnsOf(inputs: TensorMap): TensorMap {
  return Object.fromEntries(Object.entries(inputs).filter(([name]) => !name.startsWith('noise/')));
}
