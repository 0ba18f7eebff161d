import type { Random, UpdateReport } from '@retort/core';
import { bindOptimizer, compile, gradientsOf, type Optimizer, type TensorMap } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';

/** Layers of weights, ReLU between them. */
export interface RandomNetwork {
  readonly variables: Record<string, tf.Variable>;
  /** [B, S] to [B, E]. */
  apply(input: tf.Tensor2D): tf.Tensor2D;
}

/** @param widths S, hidden ones, E; kernels are normal with variance 2 / inputs (He et al. 2015), biases zero */
export function createRandomNetwork(widths: readonly number[], random: Random, trainable = false): RandomNetwork {
  const variables: Record<string, tf.Variable> = {};
  const layers = widths.length - 1;
  for (let i = 0; i < layers; i++) {
    const [inputs, outputs] = [widths[i], widths[i + 1]];
    const deviation = Math.sqrt(2 / inputs);
    const values = random.fill(new Float32Array(inputs * outputs), 'normal').map((value) => value * deviation);
    tf.tidy(() => {
      variables[`dense${i}/kernel`] = tf.variable(tf.tensor2d(values, [inputs, outputs]), trainable);
      variables[`dense${i}/bias`] = tf.variable(tf.zeros([outputs]), trainable);
    });
  }
  return {
    variables,
    apply: (input) => {
      let output = input;
      for (let i = 0; i < layers; i++) {
        const kernel = variables[`dense${i}/kernel`] as tf.Tensor as tf.Tensor2D;
        output = tf.add(tf.matMul(output, kernel), variables[`dense${i}/bias`]);
        if (i < layers - 1) output = tf.relu(output);
      }
      return output;
    },
  };
}

/** A network that learns to predict what others say of the same input. */
export interface Predictor {
  readonly network: RandomNetwork;
  /** The predictor's weights and its optimizer's. */
  readonly variables: Record<string, tf.Variable>;
  /** A step down the mean square error for each batch. @returns `error`, of the last batch before its step; nothing without batches */
  learn(batches: readonly TensorMap[]): UpdateReport;
  dispose(): void;
}

/**
 * @param target [B, E] of what is predicted, from a batch; `input` [B, S] is in every batch
 * @param fixed variables that `target` reads, under names that none of the network's has
 */
export function createPredictor(
  network: RandomNetwork,
  optimizer: Optimizer,
  target: (batch: TensorMap) => tf.Tensor2D,
  fixed: Record<string, tf.Variable>,
): Predictor {
  const bound = bindOptimizer(optimizer, network.variables);
  const update = tf.tidy(() => tf.variable(tf.scalar(0), false));
  const slots = Object.fromEntries(Object.entries(bound.variables).map(([key, slot]) => [`slots/${key}`, slot]));
  const variables = { ...network.variables, ...slots, update };
  const step = compile(
    (batch: TensorMap) => {
      const wanted = target(batch);
      const { value, gradients } = gradientsOf(
        () => tf.losses.meanSquaredError(wanted, network.apply(batch.input as tf.Tensor2D)) as tf.Scalar,
        network.variables,
      );
      update.assign(update.add(1));
      bound.apply(gradients, {
        learningRate: tf.scalar(optimizer.learningRate),
        step: update as tf.Tensor as tf.Scalar,
      });
      return { error: value };
    },
    { variables: { ...variables, ...fixed } },
  );
  return {
    network,
    variables,
    learn: (batches) =>
      tf.tidy(() => {
        let report: UpdateReport = {};
        for (const batch of batches) report = step(batch) as UpdateReport;
        return report;
      }),
    dispose: () => tf.dispose(variables),
  };
}
