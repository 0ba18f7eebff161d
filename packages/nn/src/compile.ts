import { RunError } from '@retort/core';
import * as tf from '@tensorflow/tfjs';

export type TensorMap = Record<string, tf.Tensor>;

export interface CompileOptions {
  /** All the step reads and assigns. */
  variables: Record<string, tf.Variable>;
  /** Run the first so many calls twice from the same state and compare every bit. 0 turns it off. */
  verifyReplay?: number;
}

/**
 * Makes a step that a backend may record once and replay. The step is synchronous, reads and assigns only the listed variables,
 * and takes everything that changes between calls as tensor arguments. Tensors it makes and does not return are disposed.
 *
 * The backends here run the step as it is. With `verifyReplay`, a step that breaks the contract (a captured counter, a random
 * draw, an unlisted variable) is found out, because running it again from the same state gives something else.
 */
export function compile<I extends TensorMap, O extends TensorMap>(
  step: (inputs: I) => O,
  { variables, verifyReplay = 0 }: CompileOptions,
): (inputs: I) => O {
  let toVerify = verifyReplay;
  const run = (inputs: I): O => tf.tidy(() => step(inputs));
  return (inputs) => {
    if (toVerify === 0) return run(inputs);
    toVerify--;
    return tf.tidy(() => {
      const before = Object.values(variables).map((variable) => variable.clone());
      const first = { ...read(run(inputs)), ...read(variables) };
      Object.values(variables).forEach((variable, i) => variable.assign(before[i]));
      const outputs = run(inputs);
      compare(first, { ...read(outputs), ...read(variables) });
      return outputs;
    });
  };
}

function read(tensors: TensorMap): Record<string, tf.TypedArray> {
  return Object.fromEntries(Object.entries(tensors).map(([key, tensor]) => [key, tensor.dataSync().slice()]));
}

function compare(first: Record<string, tf.TypedArray>, second: Record<string, tf.TypedArray>): void {
  for (const [key, values] of Object.entries(first)) {
    const at = values.findIndex((value, i) => !Object.is(value, second[key][i]));
    if (at >= 0) {
      throw new RunError(
        `the step is not a function of its inputs: "${key}" was ${values[at]} and on replay ${second[key][at]}`,
        {
          hints: ['pass whatever changes between steps as a tensor argument, and list every variable'],
        },
      );
    }
  }
}
