import * as tf from '@tensorflow/tfjs';
import { expectClose } from '@retort-tools/testing';
import { backendName } from '../kernel.js';
import { register, type OnnxRuntimeBackend } from '../index.js';

/** Seeded numbers in (−1, 1), away from each other. */
export function noise(shape: readonly number[], seed: number): Float32Array {
  let state = (seed * 2654435761 + 97) >>> 0;
  return Float32Array.from({ length: tf.util.sizeFromShape(shape as number[]) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32) * 2 - 1;
  });
}

export async function useOnnxRuntime(): Promise<void> {
  tf.env().set('IS_TEST', true);
  register();
  await tf.setBackend(backendName);
  await tf.ready();
}

type Numbers = { values: Float32Array; shape: number[]; dtype: string };

/** What `body` makes of inputs of the given shapes, by backend. */
async function run(
  backend: string,
  shapes: readonly (readonly number[])[],
  body: (...inputs: tf.Variable[]) => tf.Tensor | tf.Tensor[],
  inputs: readonly ArrayLike<number>[] | undefined,
): Promise<Numbers[]> {
  await tf.setBackend(backend);
  const variables = shapes.map((shape, i) =>
    tf.tidy(() => tf.variable(tf.tensor(Float32Array.from(inputs?.[i] ?? noise(shape, i + 1)), shape.slice()))),
  );
  const results = tf.tidy(() => [body(...variables)].flat());
  const numbers = results.map((result) => ({
    values: result.dataSync() as Float32Array,
    shape: result.shape,
    dtype: result.dtype,
  }));
  tf.dispose([...results, ...variables]);
  return numbers;
}

/**
 * Expects the results of `body` on onnxruntime to be those of tfjs's cpu backend, with nothing left behind and no kernel run by
 * cpu.
 */
export async function expectAsCpu(
  shapes: readonly (readonly number[])[],
  body: (...inputs: tf.Variable[]) => tf.Tensor | tf.Tensor[],
  { inputs, recorded }: { inputs?: readonly ArrayLike<number>[]; recorded?: readonly string[] } = {},
): Promise<void> {
  const expected = await run('cpu', shapes, body, inputs);
  await tf.setBackend(backendName);
  const backend = tf.backend() as OnnxRuntimeBackend;
  backend.fallbacks.clear();
  const [tensors, ids] = [tf.memory().numTensors, backend.numDataIds()];
  const actual = await run(backendName, shapes, body, inputs);
  expect([tf.memory().numTensors, backend.numDataIds()]).toEqual([tensors, ids]);
  const fallbacks = [...backend.fallbacks.keys()];
  expect(recorded ? fallbacks.filter((name) => recorded.includes(name)) : fallbacks).toEqual([]);
  expect(actual.map(({ shape, dtype }) => ({ shape, dtype }))).toEqual(
    expected.map(({ shape, dtype }) => ({ shape, dtype })),
  );
  for (let i = 0; i < actual.length; i++) {
    await expectClose(actual[i].values, expected[i].values, { absolute: 2e-5, relative: 1e-4 });
  }
}

/** Gradients of the sum of `body` · noise for every input, which must not be zero everywhere. */
export function gradients(body: (...inputs: tf.Variable[]) => tf.Tensor): (...inputs: tf.Variable[]) => tf.Tensor[] {
  return (...inputs) => {
    const { grads } = tf.variableGrads(() => {
      const y = body(...inputs);
      return tf.sum(tf.mul(y, tf.tensor(noise(y.shape, 77), y.shape)));
    }, inputs);
    return inputs.map(({ name }) => grads[name]);
  };
}
