import { type Agent, type AgentContext, RunError } from '@retort/core';
import { compile, type TensorMap } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { createActorCritic, createActorCriticLearner } from './actor-critic.js';
import { annealed } from './anneal.js';
import { arrange, oldLogProbabilityOf } from './arrange.js';
import { clippedObjective } from './clipped-objective.js';
import { groupAdvantage } from './group-advantage.js';
import type { GroupOptions } from './grpo.js';
import { eachMinibatch, minibatch } from './minibatches.js';
import { createOnPolicyAgent } from './on-policy-agent.js';
import { recordSampled } from './sampled-actions.js';

/**
 * GRPO with outcome supervision (Shao et al. 2024, §4.1.2) on whole episodes: every copy's episode is one of the group, and each of
 * its steps has the advantage of its undiscounted return. A step counts as much in a long episode as in a short one. A KL term to a
 * reference policy is guidance.
 */
export async function createEpisodeGroups(given: GroupOptions, context: AgentContext): Promise<Agent> {
  const { seeds, scope, stateSize, path, guidance } = context;
  const [init, noise, order] = ['init', 'noise', 'order'].map((name) => seeds.stream(name));
  const optimizer = await scope.create(given.optimizer, undefined);
  const actorCritic = await createActorCritic(given, context, { init, withValue: false });
  const learner = createActorCriticLearner(actorCritic, optimizer, { ...given, valueCoefficient: 0 }, guidance);
  const objective = clippedObjective(given);
  const heads = Object.keys(context.actions);
  const step = compile(
    (inputs: TensorMap) => {
      const batch = minibatch(inputs);
      return learner.improve(batch, (evaluation) => objective(evaluation, batch));
    },
    { variables: { ...learner.variables, ...actorCritic.fixed } },
  );
  return createOnPolicyAgent(
    {
      variables: learner.variables,
      borrowed: actorCritic.borrowed,
      collects: 'episodes',
      actsOnPlainStates: true,
      memorySize: actorCritic.memorySize,
      noise: (batchSize) => actorCritic.noise(batchSize, noise),
      act: actorCritic.act,
      record: recordSampled,
      learn: (rollout, see, progress) => {
        if (!rollout.has('mask')) {
          throw new RunError(`${path}: grpo compares whole episodes, one of each copy, and got steps`, {
            hints: ['collect episodes, or use ppo'],
          });
        }
        const arranged = arrange(rollout, actorCritic, see, { heads, unroll: given.unroll });
        const { columns, sequences, length, mask } = arranged;
        const reward = rollout.column<tf.Tensor1D>('reward', length).mul(mask!);
        const returns = reward.reshape([length, -1]).sum<tf.Tensor1D>(0);
        const learned = {
          ...columns,
          advantage: tf.tile(groupAdvantage(returns, returns.size, given.normalize), [length]),
          oldLogProbability: oldLogProbabilityOf(rollout, actorCritic, arranged),
          ...annealed(given, optimizer, progress),
        };
        const passes = { batchSize: given.batchSize, epochs: given.epochs * given.steps };
        const earned = returns.mean<tf.Scalar>();
        return { ...eachMinibatch(learned, passes, order, step, sequences), reward: earned };
      },
    },
    stateSize,
    false,
  );
}
