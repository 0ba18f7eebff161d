import type { Agent, AgentContext, PartReference } from '@retort/core';
import { compile, type Optimizer, type TensorMap } from '@retort/nn';
import type * as tf from '@tensorflow/tfjs';
import { createActorCritic, createActorCriticLearner } from './actor-critic.js';
import { estimateAdvantages } from './advantage.js';
import { annealed } from './anneal.js';
import { arrange } from './arrange.js';
import { masked, maskedMean } from './masked.js';
import { eachMinibatch, everySequence, minibatch } from './minibatches.js';
import { prefixed } from './network.js';
import { reinforceObjective } from './objective.js';
import { createOnPolicyAgent } from './on-policy-agent.js';
import { createRunningScale } from './running-moments.js';
import { recordSampled } from './sampled-actions.js';
import { valueLoss } from './value-loss.js';

export interface SampledOptions {
  hidden: number[];
  normalizeState: boolean;
  distribution: PartReference<'distribution'>;
  baseline: 'value' | 'mean' | 'none';
  normalize: 'rms' | 'none';
  epochs: number;
  batchSize: number;
  entropyCoefficient: number;
  discount: number;
  valueCoefficient: number;
  unroll: number;
  anneal: boolean;
  maxGradientNorm?: number;
}

/**
 * REINFORCE (Williams 1992) on discounted returns. One step per update over all that was observed: after that step the
 * experience is no longer the policy's own. A value network of its own, which does not mind, goes through it in minibatches.
 */
export async function createSampledPolicyGradient(
  given: SampledOptions,
  optimizer: Optimizer,
  context: AgentContext,
): Promise<Agent> {
  const { stateSize, seeds, guidance } = context;
  const [init, noise, order] = ['init', 'noise', 'order'].map((name) => seeds.stream(name));
  const withValue = given.baseline === 'value';
  const actorCritic = await createActorCritic(given, context, { init, withValue });
  const learner = createActorCriticLearner(actorCritic, optimizer, given, guidance);
  const scale = createRunningScale();
  const heads = Object.keys(context.actions);
  const variables = { ...learner.variables, ...actorCritic.fixed };
  const policyStep = compile(
    (inputs: TensorMap) => {
      const batch = inputs.starts ? minibatch(inputs) : inputs;
      return learner.improve(
        batch,
        ({ logProbability, entropy: entropies }) => {
          const advantage = batch.advantage as tf.Tensor1D;
          const entropy = maskedMean(entropies, batch.mask);
          const objective = reinforceObjective({ logProbability, oldLogProbability: logProbability, advantage });
          const loss = maskedMean(objective, batch.mask).sub<tf.Scalar>(entropy.mul(given.entropyCoefficient));
          return { loss, entropy };
        },
        (value) => valueLoss(value, batch),
      );
    },
    { variables },
  );
  const valueStep =
    learner.improveValue &&
    compile(
      (inputs: TensorMap) => {
        const batch = minibatch(inputs);
        return learner.improveValue!(batch, (value) => valueLoss(value, batch));
      },
      { variables },
    );
  return createOnPolicyAgent(
    {
      variables: { ...learner.variables, ...prefixed('scale', scale.variables) },
      borrowed: actorCritic.borrowed,
      collects: 'episodes',
      actsOnPlainStates: actorCritic.isGiven,
      memorySize: actorCritic.memorySize,
      noise: (batchSize) => actorCritic.noise(batchSize, noise),
      act: actorCritic.act,
      record: recordSampled,
      learn: (rollout, see, progress) => {
        const { columns, sequences, length, mask } = arrange(rollout, actorCritic, see, {
          heads,
          unroll: given.unroll,
        });
        const { stateValue } = actorCritic;
        const estimated = estimateAdvantages(
          rollout,
          stateValue && ((state, memory) => stateValue(state, see, memory)),
          {
            discount: given.discount,
            lambda: 1,
            length,
          },
        );
        let { advantage } = estimated;
        if (given.baseline === 'mean')
          advantage = masked(advantage.sub<tf.Tensor1D>(maskedMean(advantage, mask)), mask);
        if (given.normalize === 'rms') {
          scale.absorb(advantage, mask);
          advantage = scale.scale(advantage);
        }
        const { target } = estimated;
        const rates = annealed(given, optimizer, progress);
        const { valueState, ...ofPolicy } = columns;
        const report = policyStep({
          ...ofPolicy,
          ...(withValue && !valueStep && { target }),
          advantage,
          ...rates,
          ...(actorCritic.memorySize > 0 && everySequence(sequences)),
        });
        if (!valueStep) return report;
        const ofValue = { valueState, target, ...(mask && { mask }), ...rates };
        return { ...report, ...eachMinibatch(ofValue, given, order, valueStep) };
      },
    },
    stateSize,
    given.normalizeState && (!actorCritic.isGiven || actorCritic.ownValue !== undefined),
  );
}
