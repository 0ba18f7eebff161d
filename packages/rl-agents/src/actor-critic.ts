import {
  type ActionTensors,
  type AgentContext,
  type Decision,
  type HostTensor,
  InputError,
  type PartReference,
  type Random,
  type UpdateReport,
} from '@retort/core';
import { compile, type Optimizer, type TensorMap } from '@retort/nn';
import type * as tf from '@tensorflow/tfjs';
import { createLearner } from './learner.js';
import { maskedMean } from './masked.js';
import { createValueNetwork, prefixed, unprefixed, type Variables } from './network.js';
import { createPolicy, distributionsFor } from './policy.js';
import { givenPolicyNetwork, ownPolicyNetwork } from './policy-network.js';
import { unroll } from './unroll.js';

/** What an agent's networks say of a minibatch, differentiable, [N] each. */
export interface Evaluation {
  logProbability: tf.Tensor1D;
  entropy: tf.Tensor1D;
  /** Of a network that also values states. */
  value?: tf.Tensor1D;
  /** What guidance has against each row. */
  guidance?: tf.Tensor1D;
}

/** A policy and, where asked for, a value function: outputs of a network that was given, or networks of the agent's own. */
export interface ActorCritic {
  /** Whether the policy's network was given: it sees states as they are. */
  readonly isGiven: boolean;
  /** M of a policy that remembers, else 0. */
  readonly memorySize: number;
  /** What the policy's loss moves. */
  readonly variables: Variables;
  /** What the value's loss moves, where that is a network of its own. */
  readonly valueVariables?: Variables;
  /** What is read and not learned. */
  readonly fixed: Variables;
  /** Variables of a network that was given, which is not the agent's to dispose. */
  readonly borrowed: readonly tf.Variable[];
  noise(batchSize: number, random: Random): Record<string, HostTensor>;
  /** @returns the decision and the memory afterwards */
  act(state: tf.Tensor2D, noise?: Record<string, tf.Tensor>, memory?: tf.Tensor2D): Decision & { memory?: tf.Tensor2D };
  /**
   * [N] V of single states, for advantages; absent where no value was asked for.
   *
   * @param see normalizes states for networks of the agent's own
   */
  stateValue?(state: tf.Tensor2D, see: (state: tf.Tensor2D) => tf.Tensor2D, memory?: tf.Tensor2D): tf.Tensor1D;
  /** Of `state` and `action/HEAD` [N, …]; of a policy that remembers `ended` [N] and `memory` [S, M] too: sequences of N / S steps. */
  evaluate(batch: TensorMap): Evaluation;
  /** [N] of `valueState`: V of the agent's own network, differentiable. */
  ownValue?(batch: TensorMap): tf.Tensor1D;
}

export async function createActorCritic(
  given: { hidden: number[]; distribution: PartReference<'distribution'> },
  context: AgentContext,
  { init, withValue }: { init: Random; withValue: boolean },
): Promise<ActorCritic> {
  const { stateSize, guidance } = context;
  const heads = Object.keys(context.actions);
  if (!context.network) refuseGuidance(context);
  const distributions = await distributionsFor(context, given.distribution);
  const network = context.network
    ? givenPolicyNetwork(context.network, context)
    : ownPolicyNetwork(stateSize, given.hidden, distributions, init);
  const policy = createPolicy(distributions);
  const ownValue = withValue && !network.hasValue ? createValueNetwork(stateSize, given.hidden, init) : undefined;
  const variables = { ...network.variables, ...policy.variables };

  const decide = (state: tf.Tensor2D, noise?: Record<string, tf.Tensor>, memory?: tf.Tensor2D) => {
    const output = network.apply(state, memory);
    const after = memory && output.network!.memory;
    return { ...policy.act(output, noise), ...(after && { memory: after }) };
  };
  // In an environment the action is read at once: acting is a piece of work by itself.
  const acting = compile(
    ({ state, memory, ...noise }: TensorMap): TensorMap => {
      const drawn = Object.keys(noise).length > 0 ? noise : undefined;
      const { action, ...rest } = decide(state as tf.Tensor2D, drawn, memory as tf.Tensor2D | undefined);
      return { ...prefixed('action', action), ...rest };
    },
    { variables: { ...variables, ...network.fixed } },
  );
  const decideCompiled: ActorCritic['act'] = (state, noise = {}, memory) => {
    const { logProbability, memory: after, ...actions } = acting({ state, ...(memory && { memory }), ...noise });
    return {
      action: unprefixed('action', actions) as ActionTensors,
      logProbability: logProbability as tf.Tensor1D,
      ...(after && { memory: after as tf.Tensor2D }),
    };
  };

  return {
    isGiven: context.network !== undefined,
    memorySize: network.memorySize,
    variables,
    valueVariables: ownValue?.variables,
    fixed: network.fixed,
    borrowed: context.network ? Object.values(network.variables) : [],
    noise: policy.noise,
    act: context.network ? decideCompiled : decide,
    ...(withValue && {
      stateValue: (state, see, memory) =>
        ownValue ? ownValue.apply(see(state)) : network.apply(state, memory).network!.value!.as1D(),
    }),
    evaluate: (batch) => {
      const [state, memory] = [batch.state as tf.Tensor2D, batch.memory as tf.Tensor2D | undefined];
      const output = memory
        ? unroll(network, { state, memory, ended: batch.ended as tf.Tensor1D })
        : network.apply(state);
      return {
        ...policy.evaluate(output, pick(heads, unprefixed('action', batch))),
        ...(withValue && network.hasValue && { value: output.network!.value!.as1D() }),
        ...(guidance && { guidance: guidance.perSample(output.network!, unprefixed('reference', batch)) }),
      };
    },
    ...(ownValue && { ownValue: (batch) => ownValue.apply(batch.valueState as tf.Tensor2D) }),
  };
}

/** @throws InputError when there is guidance, of an agent that makes its own networks */
export function refuseGuidance({ guidance, path }: Pick<AgentContext, 'guidance' | 'path'>): void {
  if (!guidance) return;
  throw new InputError(`${path}: guidance is of a network that was given; this agent makes its own`, {
    hints: ['leave guidance out, or let ppo, grpo, reinforce or pg act in an environment'],
  });
}

function pick<T>(names: readonly string[], values: Record<string, T>): Record<string, T> {
  return Object.fromEntries(names.map((name) => [name, values[name]]));
}

/** The optimizers of an actor-critic. */
export interface ActorCriticLearner {
  /** All that is learned, slots and counters: `policy/…` and, of a value network of its own, `value/…`. */
  readonly variables: Variables;
  /**
   * A step of the policy and of the value. Where both are one network they have one loss,
   * (1 − share) · (policy + valueCoefficient · value) + share · guidance, one clipped gradient and one step; a value network of the
   * agent's own takes its step beside it.
   *
   * @param batch as {@link ActorCritic.evaluate} reads it; `mask` [N] where rows do not count; `learningRate` in place of the optimizer's
   * @param policyLoss `loss`, and what else to report
   * @param valueLoss [N]
   */
  improve(
    batch: TensorMap,
    policyLoss: (evaluation: Evaluation) => { loss: tf.Scalar } & Record<string, tf.Scalar>,
    valueLoss?: (value: tf.Tensor1D) => tf.Scalar,
  ): UpdateReport;
  /** A step of a value network of the agent's own; absent where there is none. */
  improveValue?(batch: TensorMap, valueLoss: (value: tf.Tensor1D) => tf.Scalar): UpdateReport;
}

export function createActorCriticLearner(
  actorCritic: ActorCritic,
  optimizer: Optimizer,
  { maxGradientNorm, valueCoefficient }: { maxGradientNorm?: number; valueCoefficient: number },
  guidance: AgentContext['guidance'],
): ActorCriticLearner {
  const { valueVariables, ownValue } = actorCritic;
  const policyLearner = createLearner(optimizer, actorCritic.variables, maxGradientNorm);
  const valueLearner = valueVariables && createLearner(optimizer, valueVariables, maxGradientNorm);
  return {
    variables: {
      ...prefixed('policy', policyLearner.variables),
      ...(valueLearner && prefixed('value', valueLearner.variables)),
    },
    improve: (batch, policyLoss, valueLoss) => {
      const { loss, ...report } = policyLearner.minimize(
        (): { loss: tf.Scalar } & Record<string, tf.Scalar> => {
          const evaluation = actorCritic.evaluate(batch);
          const ofPolicy = policyLoss(evaluation);
          const ofValue = evaluation.value && valueLoss?.(evaluation.value);
          const ofGuidance = evaluation.guidance && maskedMean(evaluation.guidance, batch.mask);
          if (!ofValue && !ofGuidance) return ofPolicy;
          let { loss } = ofPolicy;
          if (ofValue) loss = loss.add(ofValue.mul(valueCoefficient));
          if (ofGuidance) loss = loss.mul<tf.Scalar>(1 - guidance!.share).add(ofGuidance.mul(guidance!.share));
          return {
            ...ofPolicy,
            loss,
            policyLoss: ofPolicy.loss,
            ...(ofValue && { valueLoss: ofValue }),
            ...(ofGuidance && { guidanceLoss: ofGuidance }),
          };
        },
        batch.learningRate as tf.Scalar | undefined,
      );
      return { policyLoss: loss, ...report };
    },
    ...(valueLearner &&
      ownValue && {
        improveValue: (batch, valueLoss) => {
          const { loss } = valueLearner.minimize(
            () => ({ loss: valueLoss(ownValue(batch)) }),
            batch.learningRate as tf.Scalar | undefined,
          );
          return { valueLoss: loss };
        },
      }),
  };
}
