import { type HostTensor, RunError, type StateTree } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { loadVariables, saveVariables } from './host-tensors.js';
import { untaped } from './stop-gradient.js';

/** What a step leaves for the log. */
export interface StepRecord {
  /** [W]: numbers that have to be finite, in the order of their names. */
  watched: tf.Tensor1D;
  gradients: Record<string, tf.Tensor>;
  /** Number of the update, from 1. */
  update: tf.Scalar;
  /** By name: a mean over the batch; or a sum, and over how many it is one, which may be none. */
  values: Record<string, tf.Scalar | { sum: tf.Scalar; count: tf.Scalar }>;
}

/** Values that pile up on the device, to be read now and then. */
export interface StepLog {
  readonly variables: Record<string, tf.Variable>;
  /** Inside a step. @returns scalar bool: whether all that is watched, and the gradient, have been finite so far */
  record(step: StepRecord): tf.Tensor;
  /**
   * Reads and zeroes: means since the last read, `gradient-norm` among them, without those over nothing; undefined when there was
   * no step.
   *
   * @throws RunError naming the first step and number that was not finite
   */
  read(): Promise<Record<string, number> | undefined>;
  save(): Promise<Record<string, HostTensor>>;
  load(state: StateTree): void;
  dispose(): void;
}

const gradientNorm = 'gradient-norm';

/**
 * @param watched names of the numbers that have to be finite, causes before their effects; the gradient comes after them
 * @param names of the values
 */
export function createStepLog(watched: readonly string[], names: readonly string[]): StepLog {
  const order = [...names, gradientNorm];
  const zeros = (shape: number[]) => tf.tidy(() => tf.variable(tf.zeros(shape), false));
  const variables = {
    /** The update at which each was first not finite, 0 for never. */
    firstBad: zeros([watched.length + 1]),
    /** Sums, and over how many they are. */
    sums: zeros([2, order.length]),
  };
  const { firstBad, sums } = variables;

  return {
    variables,
    record: ({ watched: numbers, gradients, update, values }) =>
      untaped(() => {
        const norm = tf.sqrt(tf.addN(Object.values(gradients).map((gradient) => gradient.square().sum()))) as tf.Scalar;
        const finite = tf.isFinite(tf.concat([numbers, norm.expandDims<tf.Tensor1D>()]));
        const bad = tf.where(finite, tf.zerosLike(firstBad), update.mul(tf.onesLike(firstBad)));
        firstBad.assign(tf.where(firstBad.greater(0), firstBad, bad));
        const given = order.map((name) => (name === gradientNorm ? norm : values[name]));
        const [added, counts] = [
          given.map((value) => (value instanceof tf.Tensor ? value : value.sum)),
          given.map((value) => (value instanceof tf.Tensor ? tf.scalar(1) : value.count)),
        ];
        sums.assign(sums.add(tf.stack([tf.stack(added), tf.stack(counts)])));
        return firstBad.equal(0).all();
      }),

    async read() {
      const bad = await firstBad.data();
      const first = bad.findIndex((update) => update > 0 && update === Math.min(...bad.filter((at) => at > 0)));
      if (first >= 0) throw notFinite([...watched, 'the gradient'][first], bad[first], first === watched.length);
      const read = await sums.data();
      const countOf = (i: number) => read[order.length + i];
      if (countOf(order.indexOf(gradientNorm)) === 0) return undefined;
      tf.tidy(() => sums.assign(tf.zerosLike(sums)));
      return Object.fromEntries(
        order.flatMap((name, i) => (countOf(i) > 0 ? [[name, read[i] / countOf(i)] as const] : [])),
      );
    },

    save: () => saveVariables(variables),
    load: (state) => loadVariables(variables, state, 'log'),
    dispose: () => tf.dispose(variables),
  };
}

function notFinite(what: string, update: number, isGradient: boolean): RunError {
  const also = isGradient ? ', though every loss was' : '';
  return new RunError(`${what} was not finite at step ${update - 1}${also}`, {
    hints: [
      'the student was left as it was before that step; try a lower learning rate or more warm-up',
      ...(update === 1 ? ['in the very first step it is rather the data or a teacher: look at their files'] : []),
    ],
  });
}
