import { expectClose, numericalGradient } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';

/**
 * Compares a loss, summed, and its gradient at `x` with a float64 function and its central differences.
 *
 * @param written the sum over the batch, of the same numbers in the same order
 */
export async function expectValueAndGradient<T extends tf.Tensor>(
  loss: (x: T) => tf.Tensor,
  written: (x: number[]) => number,
  x: number[],
  shape: number[],
): Promise<void> {
  const variable = tf.variable(tf.tensor(x, shape));
  const { value, grads } = tf.variableGrads(() => loss(variable as tf.Tensor as T).sum() as tf.Scalar, [variable]);
  await expectClose(value, [written(x)]);
  await expectClose(grads[variable.name], numericalGradient(written, x), { absolute: 5e-5, relative: 1e-3 });
  variable.dispose();
}

/** The value of a loss, summed, and its gradient, as plain numbers. */
export async function valueAndGradient<T extends tf.Tensor>(
  loss: (x: T) => tf.Tensor,
  x: number[],
  shape: number[],
): Promise<{ value: number; gradient: number[] }> {
  const variable = tf.variable(tf.tensor(x, shape));
  const { value, grads } = tf.variableGrads(() => loss(variable as tf.Tensor as T).sum() as tf.Scalar, [variable]);
  const result = { value: (await value.data())[0], gradient: Array.from(await grads[variable.name].data()) };
  variable.dispose();
  return result;
}
