import { type AgentContext, type Experience, InputError } from '@retort/core';
import { compile, type Optimizer, stopGradient, type TensorMap } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { createLearner } from './learner.js';
import { eachMinibatch, minibatch } from './minibatches.js';
import { createHeadNetwork, prefixed } from './network.js';
import type { OnPolicyMethod } from './on-policy-agent.js';
import type { Transitions } from './rollout.js';
import { createRunningScale } from './running-moments.js';

/** Which function of the weights the exact gradient ascends. */
export const weightObjectives = ['weight', 'weighted-log', 'log'] as const;
export type WeightObjective = (typeof weightObjectives)[number];

/** Weights below this count as this in logarithms. */
const leastWeight = 1e-30;

/**
 * The expected policy gradient of a choice among M components that earn `componentReward` each, without sampling one:
 * −Σ_m A_m w_m − τ H(w) with w = softmax(z), whose gradient is that of REINFORCE averaged over all choices,
 * E_{m~w}[A_m ∇ log w_m].
 *
 * Two other objectives: `weighted-log`, Σ_m A_m ⌊w_m⌋ log w_m with ⌊·⌋ constant, whose gradient is the same, and `log`,
 * Σ_m A_m log w_m, whose gradient is A_j − w_j Σ_m A_m: its advantages pull towards A / Σ A where they are positive, a constant pulls
 * towards uniform weights, and where they sum to zero it never rests.
 *
 * @param logits [B, M]
 * @param advantage [B, M]; with `weight` and `weighted-log` a constant added to a row changes no gradient
 * @param prior [B, M], mixed in as (1 − Σ_m prior_m) w + prior; the mixture is then what the objective is of. The entropy stays that of w
 * @returns `loss` [B] to be minimized and `entropy` [B], nats
 */
export function expectedPolicyGradient(
  logits: tf.Tensor2D,
  advantage: tf.Tensor2D,
  entropyCoefficient: number,
  { objective = 'weight', prior }: { objective?: WeightObjective; prior?: tf.Tensor2D } = {},
): { loss: tf.Tensor1D; entropy: tf.Tensor1D } {
  return tf.tidy(() => {
    const logWeights = tf.logSoftmax(logits);
    const weights = logWeights.exp();
    const entropy = weights.mul(logWeights).sum<tf.Tensor1D>(1).neg();
    const effective = prior ? weights.mul<tf.Tensor2D>(tf.sub(1, prior.sum(1, true))).add<tf.Tensor2D>(prior) : weights;
    let value: tf.Tensor = effective;
    if (objective !== 'weight') {
      value = prior ? effective.maximum(leastWeight).log() : logWeights.maximum(Math.log(leastWeight));
      if (objective === 'weighted-log') value = value.mul(stopGradient(effective));
    }
    const gain = value.mul(advantage).sum<tf.Tensor1D>(1);
    return { loss: gain.add<tf.Tensor1D>(entropy.mul(entropyCoefficient)).neg(), entropy };
  });
}

export interface ExactOptions {
  hidden: number[];
  normalize: 'rms' | 'none';
  objective: WeightObjective;
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
  const { objective } = given;
  const order = seeds.stream('order');
  const network = createHeadNetwork(stateSize, given.hidden, sizes, seeds.stream('init'));
  const learner = createLearner(optimizer, network.variables);
  const scales = Object.fromEntries(heads.map((head) => [head, createRunningScale()]));
  const step = compile(
    (inputs: TensorMap) => {
      const batch = minibatch(inputs) as Record<string, tf.Tensor2D>;
      return learner.minimize(() => {
        const logits = network.apply(batch.state);
        const terms = heads.map((head) =>
          expectedPolicyGradient(logits[head], batch[`advantage/${head}`], given.entropyCoefficient, {
            objective,
            prior: batch[`prior/${head}`],
          }),
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
    record: ({ state, componentReward, prior }: Experience): Transitions => {
      const transitions: Transitions = { state };
      for (const head of heads) {
        const reward = componentReward?.[head];
        if (!reward) {
          throw new InputError(`${path}: the exact gradient needs the reward of every component of "${head}"`, {
            hints: ['set gradient: sampled'],
          });
        }
        transitions[head] = reward;
        if (prior?.[head]) transitions[`prior/${head}`] = prior[head];
      }
      return transitions;
    },
    learn: (rollout, see) => {
      const columns: TensorMap = { state: see(rollout.column<tf.Tensor2D>('state')) };
      for (const head of heads) {
        let advantage = rollout.column<tf.Tensor2D>(head);
        // Of a logarithm's advantages the constant counts.
        if (objective !== 'log') advantage = advantage.sub<tf.Tensor2D>(advantage.mean(1, true));
        if (given.normalize === 'rms') {
          scales[head].absorb(advantage);
          advantage = scales[head].scale(advantage);
        }
        columns[`advantage/${head}`] = advantage;
        if (rollout.has(`prior/${head}`)) columns[`prior/${head}`] = rollout.column(`prior/${head}`);
      }
      return eachMinibatch(columns, given, order, step);
    },
  };
}
