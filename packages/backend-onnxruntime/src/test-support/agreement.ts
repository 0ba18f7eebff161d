import * as tf from '@tensorflow/tfjs';
import type { OnnxRuntimeBackend } from '../index.js';

export { useOnnxRuntime } from './against-cpu.js';

/** A tensor to be made anew on each backend. */
export interface Input {
  values: readonly number[];
  shape: number[];
  dtype: 'float32' | 'int32' | 'bool';
}

export interface Tolerance {
  absolute?: number;
  relative?: number;
}

/** Uniform numbers of a seed (mulberry32). */
export function numbers(seed: number, count: number, low = -3, high = 3): number[] {
  let state = seed;
  return Array.from({ length: count }, () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return low + (high - low) * (((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32);
  });
}

export function floats(seed: number, shape: number[], low = -3, high = 3): Input {
  return { values: numbers(seed, tf.util.sizeFromShape(shape), low, high), shape, dtype: 'float32' };
}

export function integers(seed: number, shape: number[], low = -9, high = 10): Input {
  return { values: numbers(seed, tf.util.sizeFromShape(shape), low, high).map(Math.floor), shape, dtype: 'int32' };
}

export function booleans(seed: number, shape: number[]): Input {
  return { values: integers(seed, shape, 0, 2).values, shape, dtype: 'bool' };
}

interface Outcome {
  shape: number[];
  dtype: string;
  values: number[];
}

function make({ values, shape, dtype }: Input): tf.Tensor {
  return tf.tensor([...values], shape, dtype);
}

function outcome(tensor: tf.Tensor): Outcome {
  return { shape: tensor.shape, dtype: tensor.dtype, values: Array.from(tensor.dataSync()) };
}

/** Runs a computation on fresh tensors of the named backend, and fails when data stays behind. */
export function runOn(
  backend: string,
  inputs: readonly Input[],
  compute: (...tensors: tf.Tensor[]) => tf.Tensor | tf.Tensor[],
): Outcome[] {
  tf.setBackend(backend);
  const before = tf.backend().numDataIds();
  tf.engine().startScope();
  const outcomes = [compute(...inputs.map(make))].flat().map(outcome);
  tf.engine().endScope();
  expect(tf.backend().numDataIds()).toBe(before);
  return outcomes;
}

export function expectValues(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: Tolerance = {}): void {
  const { absolute = 2e-6, relative = 1e-5 } = tolerance;
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i], expected[i]];
    const close =
      a === e || (Number.isNaN(a) && Number.isNaN(e)) || Math.abs(a - e) <= absolute + relative * Math.abs(e);
    if (!close) throw new Error(`element ${i}: ${a} instead of ${e}`);
  }
}

function expectOutcomes(actual: Outcome[], expected: Outcome[], tolerance?: Tolerance): void {
  expect(actual.map(({ shape, dtype }) => ({ shape, dtype }))).toEqual(
    expected.map(({ shape, dtype }) => ({ shape, dtype })),
  );
  actual.forEach(({ values }, i) => expectValues(values, expected[i].values, tolerance));
}

/** Fails unless the computation gives what it gives on tfjs's cpu backend, with nothing falling back to it. */
export function expectAgreement(
  inputs: readonly Input[],
  compute: (...tensors: tf.Tensor[]) => tf.Tensor | tf.Tensor[],
  tolerance?: Tolerance,
): void {
  const expected = runOn('cpu', inputs, compute);
  expectOutcomes(runOnnx(inputs, compute), expected, tolerance);
}

/** The numbers of a computation on onnxruntime, with nothing falling back to cpu. */
export function runOnnx(
  inputs: readonly Input[],
  compute: (...tensors: tf.Tensor[]) => tf.Tensor | tf.Tensor[],
): Outcome[] {
  const backend = tf.findBackend('onnxruntime') as OnnxRuntimeBackend;
  backend.fallbacks.clear();
  const outcomes = runOn('onnxruntime', inputs, compute);
  expect(backend.statistics().fallbacks).toEqual({});
  return outcomes;
}

/** Fails unless the gradients of the inputs, with a fixed output gradient, are those of tfjs's cpu backend. */
export function expectGradientAgreement(
  inputs: readonly Input[],
  compute: (...tensors: tf.Tensor[]) => tf.Tensor,
  tolerance?: Tolerance,
): void {
  const gradients = (...tensors: tf.Tensor[]): tf.Tensor[] => {
    const variables = tensors.map((tensor) => tf.variable(tensor));
    const loss = (): tf.Scalar => {
      const y = compute(...variables);
      return tf.sum(tf.mul(y, tf.tensor(numbers(99, y.size), y.shape)));
    };
    const { grads } = tf.variableGrads(loss, variables);
    const results = variables.map(({ name }) => grads[name]);
    tf.dispose(variables);
    return results;
  };
  expectAgreement(inputs, gradients, tolerance);
}
