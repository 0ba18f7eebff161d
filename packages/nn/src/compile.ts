import { RunError } from '@retort/core';
import * as tf from '@tensorflow/tfjs';

export type TensorMap = Record<string, tf.Tensor>;

export interface CompileOptions {
  /** All the step reads and assigns. */
  variables: Record<string, tf.Variable>;
  /** Run the first so many calls twice from the same state and compare every bit. 0 turns it off. */
  verifyReplay?: number;
}

/** What a backend offers that records a step on its first call and replays it afterwards. */
interface ReplayingBackend {
  compileStep<I extends TensorMap, O extends TensorMap>(
    step: (inputs: I) => O,
    variables: Record<string, tf.Variable>,
  ): (inputs: I) => O;
}

/** How far a replayed result may be from the plain one, relative to 1 or the result: folding constants moves last bits. */
const replayTolerance = 1e-4;

/**
 * Makes a step that a backend may record once and replay. The step is synchronous, reads and assigns only the listed variables,
 * and takes everything that changes between calls as tensor arguments. Tensors it makes and does not return are disposed.
 *
 * A backend with a `compileStep` replays the step; on the others it runs as it is. With `verifyReplay`, a step that breaks the
 * contract (a captured counter, a random draw, an unlisted variable) is found out, because running it again from the same state
 * gives something else.
 */
export function compile<I extends TensorMap, O extends TensorMap>(
  step: (inputs: I) => O,
  { variables, verifyReplay = 0 }: CompileOptions,
): (inputs: I) => O {
  let toVerify = verifyReplay;
  const plain = (inputs: I): O => tf.tidy(() => step(inputs));
  let compiled: { backend: tf.KernelBackend; run: (inputs: I) => O; replays: boolean } | undefined;
  const current = () => {
    const backend = tf.backend();
    if (compiled?.backend !== backend) {
      const replayed = (backend as Partial<ReplayingBackend>).compileStep?.(step, variables);
      compiled = { backend, run: replayed ?? plain, replays: replayed !== undefined };
    }
    return compiled;
  };
  return (inputs) => {
    const { run, replays } = current();
    if (toVerify === 0) return run(inputs);
    toVerify--;
    return tf.tidy(() => {
      const before = Object.values(variables).map((variable) => variable.clone());
      const first = { ...read(plain(inputs)), ...read(variables) };
      Object.values(variables).forEach((variable, i) => variable.assign(before[i]));
      const outputs = run(inputs);
      compare(first, { ...read(outputs), ...read(variables) }, replays ? replayTolerance : 0);
      return outputs;
    });
  };
}

function read(tensors: TensorMap): Record<string, tf.TypedArray> {
  return Object.fromEntries(Object.entries(tensors).map(([key, tensor]) => [key, tensor.dataSync().slice()]));
}

function compare(first: Record<string, tf.TypedArray>, second: Record<string, tf.TypedArray>, tolerance: number): void {
  for (const [key, values] of Object.entries(first)) {
    const at = values.findIndex((value, i) => {
      const other = second[key][i];
      return (
        !Object.is(value, other) &&
        !(tolerance > 0 && Math.abs(value - other) <= tolerance * Math.max(1, Math.abs(value)))
      );
    });
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

/**
 * Tells a backend that records that a piece of work is complete. It runs what it has recorded, so that a loop of equal pieces is
 * one compiled graph run again and again and not one graph of all pieces. Nothing happens on other backends.
 */
export function endPiece(): void {
  (tf.backend() as { flush?(): void }).flush?.();
}
