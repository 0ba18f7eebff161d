import type { Random } from '@retort/core';
import * as tf from '@tensorflow/tfjs';

export type Variables = Record<string, tf.Variable>;

/**
 * Kernel and bias of a dense layer, keyed `name/kernel` and `name/bias`. `he`: normal with variance 2 / inputs (He et al. 2015);
 * `zero` for output layers, so that a fresh network has no opinion in any state.
 */
export function denseVariables(
  name: string,
  inputs: number,
  outputs: number,
  initializer: 'he' | 'zero',
  random: Random,
): Variables {
  return tf.tidy(() => {
    const values = new Float32Array(inputs * outputs);
    if (initializer === 'he') random.fill(values, 'normal');
    const deviation = Math.sqrt(2 / inputs);
    return {
      [`${name}/kernel`]: tf.variable(
        tf.tensor2d(
          values.map((value) => value * deviation),
          [inputs, outputs],
        ),
      ),
      [`${name}/bias`]: tf.variable(tf.zeros([outputs])),
    };
  });
}

/** x W + b. */
export function dense(variables: Variables, name: string, x: tf.Tensor2D): tf.Tensor2D {
  return tf.add(tf.matMul(x, variables[`${name}/kernel`] as tf.Tensor as tf.Tensor2D), variables[`${name}/bias`]);
}

/** Hidden layers with ReLU, keyed `hidden0/…`, `hidden1/…`. */
export function hiddenVariables(inputs: number, sizes: readonly number[], random: Random): Variables {
  return Object.assign(
    {},
    ...sizes.map((size, i) => denseVariables(`hidden${i}`, i === 0 ? inputs : sizes[i - 1], size, 'he', random)),
  ) as Variables;
}

export function hiddenLayers(variables: Variables, count: number, x: tf.Tensor2D): tf.Tensor2D {
  let hidden = x;
  for (let i = 0; i < count; i++) hidden = tf.relu(dense(variables, `hidden${i}`, hidden));
  return hidden;
}

/** The state's value: [B, S] to [B]; 0 everywhere at first. */
export interface ValueNetwork {
  variables: Variables;
  apply(state: tf.Tensor2D): tf.Tensor1D;
}

export function createValueNetwork(stateSize: number, hidden: readonly number[], random: Random): ValueNetwork {
  const variables = {
    ...hiddenVariables(stateSize, hidden, random),
    ...denseVariables('value', hidden.at(-1) ?? stateSize, 1, 'zero', random),
  };
  return {
    variables,
    apply: (state) => dense(variables, 'value', hiddenLayers(variables, hidden.length, state)).as1D(),
  };
}

/** ½ mean (x − y)². */
export function squaredError(x: tf.Tensor1D, y: tf.Tensor1D): tf.Scalar {
  return x.sub(y).square().mean<tf.Scalar>().mul(0.5);
}

/** The same tensors under `prefix/`. */
export function prefixed<T extends tf.Tensor>(prefix: string, tensors: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(tensors).map(([key, tensor]) => [`${prefix}/${key}`, tensor]));
}

/** Those of {@link prefixed}, without the prefix. */
export function unprefixed<T extends tf.Tensor>(prefix: string, tensors: Record<string, T>): Record<string, T> {
  const own = Object.entries(tensors).filter(([key]) => key.startsWith(`${prefix}/`));
  return Object.fromEntries(own.map(([key, tensor]) => [key.slice(prefix.length + 1), tensor]));
}

/** Hidden layers that all heads share and one linear layer per head. */
export interface HeadNetwork {
  readonly variables: Variables;
  /** @returns [B, columns] per head; zeros at first */
  apply(state: tf.Tensor2D): Record<string, tf.Tensor2D>;
}

/** @param columns outputs per head */
export function createHeadNetwork(
  stateSize: number,
  hidden: readonly number[],
  columns: Record<string, number>,
  random: Random,
): HeadNetwork {
  const heads = Object.entries(columns);
  const variables = hiddenVariables(stateSize, hidden, random);
  for (const [head, size] of heads) {
    Object.assign(variables, denseVariables(head, hidden.at(-1) ?? stateSize, size, 'zero', random));
  }
  return {
    variables,
    apply: (state) => {
      const features = hiddenLayers(variables, hidden.length, state);
      return Object.fromEntries(heads.map(([head]) => [head, dense(variables, head, features)]));
    },
  };
}
