/** What the tests of every package share. */
import * as tf from '@tensorflow/tfjs';

/** Backends every tensor test runs on. */
export const backends = ['cpu', 'wasm', 'onnxruntime'] as const;

/** Registers the named backend if need be and makes it current. */
export async function useBackend(name: (typeof backends)[number]): Promise<void> {
  if (name === 'wasm') {
    const { register } = await import('@retort/backend-wasm');
    register();
  }
  if (name === 'onnxruntime') {
    const { register } = await import('@retort/backend-onnxruntime');
    register();
  }
  // Silences tfjs's advertisement for its node backend.
  tf.env().set('IS_TEST', true);
  await tf.setBackend(name);
  await tf.ready();
}

/** A describe block per backend. */
export function describeEachBackend(title: string, body: (backend: (typeof backends)[number]) => void): void {
  describe.each(backends)(`${title} on %s`, (backend) => {
    beforeAll(() => useBackend(backend));
    body(backend);
  });
}

/** Fails unless every element is within `absolute + relative · |expected|`. */
export async function expectClose(
  actual: tf.Tensor | ArrayLike<number>,
  expected: tf.Tensor | ArrayLike<number>,
  { absolute = 1e-5, relative = 1e-4 } = {},
): Promise<void> {
  const [a, e] = [await toNumbers(actual), await toNumbers(expected)];
  expect(a.length).toBe(e.length);
  let worst = { index: -1, excess: 0 };
  for (let i = 0; i < e.length; i++) {
    const excess = Math.abs(a[i] - e[i]) - (absolute + relative * Math.abs(e[i]));
    if (!(excess <= worst.excess)) worst = { index: i, excess };
  }
  if (worst.index >= 0) {
    throw new Error(
      `element ${worst.index}: ${a[worst.index]} is not close to ${e[worst.index]} (over by ${worst.excess})`,
    );
  }
}

async function toNumbers(value: tf.Tensor | ArrayLike<number>): Promise<ArrayLike<number>> {
  return value instanceof tf.Tensor ? await value.data() : value;
}

/** What is held: tensors, and the data of tensors on the current backend, which a kernel can leave behind unseen by tfjs. */
export function held(): { tensors: number; data: number } {
  return { tensors: tf.memory().numTensors, data: tf.backend().numDataIds() };
}

/** Fails when `body` leaves tensors or their data behind. `body` disposes what it returns itself. */
export async function expectNoLeak(body: () => void | Promise<void>): Promise<void> {
  const before = held();
  await body();
  expect(held()).toEqual(before);
}

/** Central differences of a float64 function: the gradient at `x`. */
export function numericalGradient(f: (x: number[]) => number, x: number[], step = 1e-5): number[] {
  return x.map((_, i) => {
    const at = (delta: number) => f(x.map((value, j) => (j === i ? value + delta : value)));
    return (at(step) - at(-step)) / (2 * step);
  });
}
