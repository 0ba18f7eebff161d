import { type ActionSpace, type ActionTensors, type HostTensor, InputError, type Random, z } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { drawNoise } from './distribution.js';
import { boxScale } from './gaussian.js';
import { entropyCoefficient } from './options.js';

/** Options of agents with a deterministic policy. */
export const deterministicOptions = {
  logitNoise: z
    .number()
    .nonnegative()
    .default(1)
    .describe('Deviation of the exploration noise on the logits of simplex actions.'),
  boxNoise: z
    .number()
    .nonnegative()
    .default(0.2)
    .describe('Deviation of the exploration noise on box actions, in half ranges.'),
  entropyCoefficient: entropyCoefficient(0.1).describe(
    'Reward for the entropy of simplex actions, in nats, beside rewards scaled to a root mean square of 1. Keeps the ' +
      'softmax from saturating, where neither noise nor gradients move it.',
  ),
};

interface Exploration {
  logitNoise: number;
  boxNoise: number;
}

/** How one head turns what the network gives into an action, and that into what the critic sees. All [B, n]. */
interface Head {
  size: number;
  /** @param noise standard normal */
  act(output: tf.Tensor2D, noise?: tf.Tensor): tf.Tensor2D;
  /** Scaled to about [−1, 1]. */
  encode(action: tf.Tensor2D): tf.Tensor2D;
  /** [B]; of simplex heads only. */
  entropy?(output: tf.Tensor2D): tf.Tensor1D;
}

/** The heads of a deterministic policy together. */
export interface DeterministicHeads {
  /** Outputs of the network by head. */
  sizes: Record<string, number>;
  /** Numbers of an action in all. */
  size: number;
  noise(batchSize: number, random: Random): Record<string, HostTensor>;
  act(outputs: Record<string, tf.Tensor2D>, noise?: Record<string, tf.Tensor>): Record<string, tf.Tensor2D>;
  /** [B, size], what a critic sees of an action. */
  encode(action: ActionTensors): tf.Tensor2D;
  /** {@link encode} of the action the policy takes, differentiable. */
  encodeOutputs(outputs: Record<string, tf.Tensor2D>): tf.Tensor2D;
  /** [B] nats of the simplex heads. */
  entropy(outputs: Record<string, tf.Tensor2D>): tf.Tensor1D;
}

/** @throws InputError for a discrete action, which no gradient goes through */
export function deterministicHeads(
  agent: string,
  actions: Record<string, ActionSpace>,
  exploration: Exploration,
  path: string,
): DeterministicHeads {
  const heads = Object.entries(actions).map(
    ([name, space]) => [name, headOf(agent, name, space, exploration, path)] as const,
  );
  const encode = (action: ActionTensors) =>
    tf.concat(
      heads.map(([name, head]) => head.encode(action[name] as tf.Tensor2D)),
      1,
    );
  const act: DeterministicHeads['act'] = (outputs, noise) =>
    Object.fromEntries(heads.map(([name, head]) => [name, head.act(outputs[name], noise?.[name])]));
  return {
    sizes: Object.fromEntries(heads.map(([name, { size }]) => [name, size])),
    size: heads.reduce((sum, [, { size }]) => sum + size, 0),
    noise: (batchSize, random) =>
      drawNoise(
        Object.fromEntries(heads.map(([name, { size }]) => [name, { shape: [batchSize, size], from: 'normal' }])),
        random,
      ),
    act,
    encode,
    encodeOutputs: (outputs) => encode(act(outputs)),
    entropy: (outputs) => {
      const terms = heads.flatMap(([name, { entropy }]) => (entropy ? [entropy(outputs[name])] : []));
      return terms.length > 0 ? tf.addN(terms) : tf.zeros([Object.values(outputs)[0].shape[0]]);
    },
  };
}

function headOf(
  agent: string,
  name: string,
  space: ActionSpace,
  { logitNoise, boxNoise }: Exploration,
  path: string,
): Head {
  if (space.kind === 'discrete') {
    throw new InputError(
      `${path}: ${agent} cannot take the discrete action "${name}": it follows gradients through actions`,
      {
        hints: ['use pg or ppo'],
      },
    );
  }
  if (space.kind === 'simplex') {
    const { size } = space;
    return {
      size,
      act: (output, noise) => tf.softmax(noise ? output.add<tf.Tensor2D>(noise.mul(logitNoise)) : output),
      encode: (action) => action.mul<tf.Tensor2D>(size).sub(1),
      entropy: (output) => {
        const logWeights = tf.logSoftmax(output);
        return logWeights.exp().mul(logWeights).sum<tf.Tensor1D>(1).neg();
      },
    };
  }
  const scale = boxScale(space);
  return {
    size: space.low.length,
    act: (output, noise) => {
      const unit = tf.tanh<tf.Tensor2D>(output);
      return scale.fromUnit(noise ? (unit.add(noise.mul(boxNoise)).clipByValue(-1, 1) as tf.Tensor2D) : unit);
    },
    encode: (action) => scale.toUnit(action),
  };
}
