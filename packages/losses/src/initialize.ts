import type { Random } from '@retort/core';
import * as tf from '@tensorflow/tfjs';

/** A variable drawn from U(−1/√fanIn, 1/√fanIn): PyTorch's default for linear and convolution layers (He et al. 2015, a = √5). */
export function uniformVariable(shape: number[], fanIn: number, random: Random): tf.Variable {
  const bound = 1 / Math.sqrt(fanIn);
  const values = random.fill(new Float32Array(tf.util.sizeFromShape(shape)), 'uniform');
  return tf.tidy(() =>
    tf.variable(
      tf.tensor(
        values.map((value) => (2 * value - 1) * bound),
        shape,
      ),
    ),
  );
}

/** A vector variable of one value. */
export function constantVariable(size: number, value: number, trainable: boolean): tf.Variable {
  return tf.tidy(() => tf.variable(tf.fill([size], value), trainable));
}
