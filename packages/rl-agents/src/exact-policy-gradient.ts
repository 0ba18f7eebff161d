import { type AgentContext, type Experience, InputError } from '@retort/core';
import { compile, type Optimizer, type TensorMap } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { createLearner } from './learner.js';
import { eachMinibatch, minibatch } from './minibatches.js';
import { createHeadNetwork, prefixed } from './network.js';
import type { OnPolicyMethod } from './on-policy-agent.js';
import type { Transitions } from './rollout.js';
import { createRunningScale } from './running-moments.js';

/**
 * The expected policy gradient of a choice among M components that earn `componentReward` each, without sampling one:
 * −Σ_m A_m w_m − τ H(w) with w = softmax(z), whose gradient is that of REINFORCE averaged over all choices,
 * E_{m~w}[A_m ∇ log w_m].
 *
 * @param logits [B, M]
 * @param advantage [B, M]; a constant added to a row changes no gradient
 * @returns `loss` [B] to be minimized and `entropy` [B], nats
 */
export function expectedPolicyGradient(
  logits: tf.Tensor2D,
  advantage: tf.Tensor2D,
  entropyCoefficient: number,
): { loss: tf.Tensor1D; entropy: tf.Tensor1D } {
  return tf.tidy(() => {
    const logWeights = tf.logSoftmax(logits);
    const weights = logWeights.exp();
    const entropy = weights.mul(logWeights).sum<tf.Tensor1D>(1).neg();
    const gain = weights.mul(advantage).sum<tf.Tensor1D>(1);
    return { loss: gain.add<tf.Tensor1D>(entropy.mul(entropyCoefficient)).neg(), entropy };
  });
}

export interface ExactOptions {
  hidden: number[];
  normalize: 'rms' | 'none';
  epochs: number;
  batchSize: number;
  entropyCoefficient: number;
}

/** Deterministic weights per simplex head, moved by {@link expectedPolicyGradient}. */
export function createExactPolicyGradient(
  given: ExactOptions,
  optimizer: Optimizer,
  { actions, stateSize, seeds, path }: AgentContext,
): OnPolicyMethod {
  const sizes: Record<string, number> = {};
  for (const [head, space] of Object.entries(actions)) {
    if (space.kind !== 'simplex') {
      throw new InputError(`${path}: the exact gradient needs simplex actions, "${head}" is ${space.kind}`, {
        hints: ['set gradient: sampled'],
      });
    }
    sizes[head] = space.size;
  }
  const heads = Object.keys(sizes);
  const order = seeds.stream('order');
  const network = createHeadNetwork(stateSize, given.hidden, sizes, seeds.stream('init'));
  const learner = createLearner(optimizer, network.variables);
  const scales = Object.fromEntries(heads.map((head) => [head, createRunningScale()]));
  const step = compile(
    (inputs: TensorMap) => {
      const batch = minibatch(inputs);
      return learner.minimize(() => {
        const logits = network.apply(batch.state as tf.Tensor2D);
        const terms = heads.map((head) =>
          expectedPolicyGradient(logits[head], batch[`advantage/${head}`] as tf.Tensor2D, given.entropyCoefficient),
        );
        return {
          loss: tf.addN(terms.map(({ loss }) => loss.mean<tf.Scalar>())),
          entropy: tf.addN(terms.map(({ entropy }) => entropy.mean<tf.Scalar>())),
        };
      });
    },
    { variables: learner.variables },
  );
  return {
    variables: {
      ...prefixed('policy', learner.variables),
      ...Object.assign({}, ...heads.map((head) => prefixed(`scale/${head}`, scales[head].variables))),
    },
    noise: () => ({}),
    act: (state) => {
      const logits = network.apply(state);
      return { action: Object.fromEntries(heads.map((head) => [head, tf.softmax(logits[head])])) };
    },
    record: ({ state, componentReward }: Experience): Transitions => {
      const transitions: Transitions = { state };
      for (const head of heads) {
        const reward = componentReward?.[head];
        if (!reward) {
          throw new InputError(`${path}: the exact gradient needs the reward of every component of "${head}"`, {
            hints: ['set gradient: sampled'],
          });
        }
        transitions[head] = reward;
      }
      return transitions;
    },
    learn: (rollout, see) => {
      const states = rollout.column<tf.Tensor2D>('state');
      const advantages = Object.fromEntries(
        heads.map((head) => {
          const reward = rollout.column<tf.Tensor2D>(head);
          const centered = reward.sub<tf.Tensor2D>(reward.mean(1, true));
          if (given.normalize === 'none') return [head, centered];
          scales[head].absorb(centered);
          return [head, scales[head].scale(centered)];
        }),
      );
      return eachMinibatch({ state: see(states), ...prefixed('advantage', advantages) }, given, order, step);
    },
  };
}
