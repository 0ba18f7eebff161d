import { saveLayersModel } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';

/** Preferences for pushing right on cart-pole: balances for all 500 steps. */
export const balancing = [0.2, 0.4, 4, 1.5];

/**
 * Saves a network that acts by a linear rule, as model.json in a folder.
 *
 * @param heads kernels [S][n] of its outputs by name, without bias, in order
 */
export async function saveLinearTeacher(
  folder: string,
  heads: Record<string, number[][]>,
  metadata: Record<string, unknown> = {},
): Promise<void> {
  const [first] = Object.values(heads);
  const state = tf.input({ shape: [first.length], name: 'state' });
  const outputs = Object.entries(heads).map(
    ([name, kernel]) =>
      tf.layers
        .dense({ name, units: kernel[0].length, useBias: false, weights: [tf.tensor2d(kernel)] })
        .apply(state) as tf.SymbolicTensor,
  );
  const model = tf.model({ inputs: state, outputs });
  await saveLayersModel(model, folder, { metadata });
  model.dispose();
}

/** Heads of a teacher for cart-pole: logits, and a value and advantages as they would be of action values. */
export function balancingHeads(scale = 5): Record<string, number[][]> {
  return {
    logits: balancing.map((weight) => [-scale * weight, scale * weight]),
    value: balancing.map((weight) => [Math.abs(weight)]),
    advantages: balancing.map((weight) => [-weight, weight]),
  };
}
