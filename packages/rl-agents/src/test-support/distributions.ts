import type { Distribution, Random } from '@retort/core';
import { toTensor } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { drawNoise } from '../distribution.js';

/** Draws `size` actions from one row of parameters, repeated. */
export function sampleMany(distribution: Distribution, parameters: number[], size: number, random: Random) {
  const noise = drawNoise(distribution.noise(size), random);
  return tf.tidy(() => {
    const rows = tf.tile(tf.tensor2d([parameters]), [size, 1]) as tf.Tensor2D;
    const action = distribution.sample(
      rows,
      Object.fromEntries(Object.entries(noise).map(([name, values]) => [name, toTensor(values)])),
    );
    return { rows, action };
  });
}

/** Gradient of log p(action) by the parameters of one row. */
export function scoreOf(distribution: Distribution, parameters: number[], action: tf.Tensor): tf.Tensor {
  return tf.tidy(() => {
    const variable = tf.variable(tf.tensor2d([parameters]));
    const { grads } = tf.variableGrads(
      () => distribution.logProbability(variable as tf.Tensor as tf.Tensor2D, action).sum(),
      [variable],
    );
    variable.dispose();
    return grads[variable.name];
  });
}

/** −mean log p of samples: the entropy, by its definition. */
export function sampledEntropy(distribution: Distribution, parameters: number[], size: number, random: Random): number {
  return tf.tidy(() => {
    const { rows, action } = sampleMany(distribution, parameters, size, random);
    return -distribution.logProbability(rows, action).mean().dataSync()[0];
  });
}
