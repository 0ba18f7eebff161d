import { definePart, z } from '@retort/core';
import { compile, type TensorMap } from '@retort/nn';
import type * as tf from '@tensorflow/tfjs';
import { createActorCritic, createActorCriticLearner } from './actor-critic.js';
import { estimateAdvantages, explainedVariance, standardize } from './advantage.js';
import { annealed } from './anneal.js';
import { arrange, oldLogProbabilityOf } from './arrange.js';
import { eachMinibatch, minibatch } from './minibatches.js';
import { clippedObjective } from './clipped-objective.js';
import { createOnPolicyAgent } from './on-policy-agent.js';
import * as shared from './options.js';
import { recordSampled } from './sampled-actions.js';
import { valueLoss } from './value-loss.js';

const options = z.strictObject({
  ...shared.networkOptions,
  ...shared.actorCriticOptions,
  distribution: shared.distribution,
  clip: shared.clip,
  clipValue: z
    .boolean()
    .default(false)
    .describe(
      'Whether values, too, may move by no more than `clip` from what they were while acting, and still be learned.',
    ),
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
  maxGradientNorm: shared.maxGradientNorm,
});

/**
 * Proximal policy optimization (Schulman et al. 2017) with a value function and generalized advantages, standardized over what was
 * observed. In one-step problems the advantage is reward − value.
 */
export const ppo = definePart('agent', {
  name: 'ppo',
  summary: 'Proximal policy optimization: a stochastic policy, several clipped steps on the same experience.',
  options,
  create: async (given, context) => {
    const { stateSize, seeds, scope, guidance } = context;
    const [init, noise, order] = ['init', 'noise', 'order'].map((name) => seeds.stream(name));
    const optimizer = await scope.create(given.optimizer, undefined);
    const actorCritic = await createActorCritic(given, context, { init, withValue: true });
    const learner = createActorCriticLearner(actorCritic, optimizer, given, guidance);
    const objective = clippedObjective(given);
    const heads = Object.keys(context.actions);
    const step = compile(
      (inputs: TensorMap) => {
        const batch = minibatch(inputs);
        const ofValue = (value: tf.Tensor1D) => valueLoss(value, batch, given.clipValue ? given.clip : undefined);
        const report = learner.improve(batch, (evaluation) => objective(evaluation, batch), ofValue);
        return { ...report, ...learner.improveValue?.(batch, ofValue) };
      },
      { variables: { ...learner.variables, ...actorCritic.fixed } },
    );
    return createOnPolicyAgent(
      {
        variables: learner.variables,
        borrowed: actorCritic.borrowed,
        collects: 128,
        actsOnPlainStates: actorCritic.isGiven,
        memorySize: actorCritic.memorySize,
        noise: (batchSize) => actorCritic.noise(batchSize, noise),
        act: actorCritic.act,
        record: recordSampled,
        learn: (rollout, see, progress) => {
          const arranged = arrange(rollout, actorCritic, see, { heads, unroll: given.unroll });
          const { columns, sequences, length, mask } = arranged;
          const { advantage, target, value } = estimateAdvantages(
            rollout,
            (state, memory) => actorCritic.stateValue!(state, see, memory),
            { ...given, length },
          );
          const learned = {
            ...columns,
            advantage: standardize(advantage, mask),
            target,
            oldLogProbability: oldLogProbabilityOf(rollout, actorCritic, arranged),
            ...(given.clipValue && { oldValue: value }),
            ...annealed(given, optimizer, progress),
          };
          const explained = explainedVariance(value, target, mask);
          return { ...eachMinibatch(learned, given, order, step, sequences), explainedVariance: explained };
        },
      },
      stateSize,
      given.normalizeState && (!actorCritic.isGiven || actorCritic.ownValue !== undefined),
    );
  },
});
