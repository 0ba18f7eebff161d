import { definePart, type Distribution, InputError, z } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { openUniform } from './distribution.js';

/** One of n: parameters are logits [B, n], actions [B] int32. */
export const categorical = definePart('distribution', {
  name: 'categorical',
  summary: 'One of n, from logits. For discrete actions.',
  options: z.strictObject({}),
  create: (_, { space, path }) => {
    if (space.kind !== 'discrete')
      throw new InputError(`${path}: categorical needs a discrete action, not ${space.kind}`);
    return createCategorical(space.size);
  },
});

export function createCategorical(size: number): Distribution {
  return {
    dependent: size,
    shared: [],
    noise: (batchSize) => ({ uniform: { shape: [batchSize, size], from: 'uniform' } }),
    sample: (logits, { uniform }) => sampleCategorical(logits, uniform as tf.Tensor2D),
    logProbability: (logits, action) => categoricalLogProbability(logits, action as tf.Tensor1D),
    entropy: categoricalEntropy,
    mode: (logits) => logits.argMax(1),
  };
}

/**
 * Gumbel-max: argmax_c z_c − log(−log u_c) (Gumbel 1954; Maddison et al. 2014).
 *
 * @param logits [B, n]
 * @param uniform [B, n] in [0, 1)
 * @returns [B] int32
 */
export function sampleCategorical(logits: tf.Tensor2D, uniform: tf.Tensor2D): tf.Tensor1D {
  return tf.tidy(() => logits.sub(openUniform(uniform).log().neg().log()).argMax<tf.Tensor1D>(1));
}

/** @returns [B] log softmax(z)_a */
export function categoricalLogProbability(logits: tf.Tensor2D, action: tf.Tensor1D): tf.Tensor1D {
  return tf.tidy(() => tf.logSoftmax(logits).mul(tf.oneHot(action.toInt(), logits.shape[1])).sum(1));
}

/** @returns [B] −Σ_c p_c log p_c, nats */
export function categoricalEntropy(logits: tf.Tensor2D): tf.Tensor1D {
  return tf.tidy(() => {
    const logProbability = tf.logSoftmax(logits);
    return logProbability.exp().mul(logProbability).sum<tf.Tensor1D>(1).neg();
  });
}
