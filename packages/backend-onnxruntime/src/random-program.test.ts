import * as tf from '@tensorflow/tfjs';
import { Random } from '@retort/core';
import { OnnxRuntimeBackend } from './backend.js';
import { type OnnxRuntimeOptions, register } from './index.js';

register();
tf.env().set('IS_TEST', true);

/** A backend of its own, so that what it holds begins at nothing. */
async function use(name: string, options: Partial<OnnxRuntimeOptions>): Promise<void> {
  if (name === 'onnxruntime') {
    tf.removeBackend(name);
    tf.registerBackend(name, () => new OnnxRuntimeBackend(options));
  }
  await tf.setBackend(name);
}

interface Trace {
  /** Values that were read, in order. */
  read: number[][];
  /** After each call: tensors, data and bytes that tfjs counts, data that the backend counts, references to all that is alive. */
  counts: number[][];
}

const calls = 400;

/**
 * A program of random calls on 2 × 3 matrices, some of them sharing data. All it makes is alive in its list, in a variable, or
 * disposed.
 */
async function runProgram(name: string, seed: number, options: Partial<OnnxRuntimeOptions> = {}): Promise<Trace> {
  await use(name, options);
  const backend = tf.backend();
  const random = new Random([seed, 11]);
  const trace: Trace = { read: [], counts: [] };
  const numbers = () => {
    const values = Float32Array.from({ length: 6 }, () => random.integer(9) - 4);
    return tf.tensor2d(values, [2, 3]);
  };
  const newVariable = () => {
    const start = numbers();
    const variable = tf.variable(start);
    start.dispose();
    return variable;
  };
  const before = { ...tf.memory(), ids: backend.numDataIds() };
  const variables = [newVariable(), newVariable()];
  const alive: tf.Tensor[] = [numbers(), numbers()];
  const any = <T>(list: T[]): T => list[random.integer(list.length)];
  const pick = (): tf.Tensor => any<tf.Tensor>([...alive, ...variables]);
  const drop = () => {
    if (alive.length > 2) alive.splice(random.integer(alive.length), 1)[0].dispose();
  };
  const actions: (() => void | Promise<void>)[] = [
    // Halves keep the numbers small, and exact for a while.
    () => void alive.push(tf.tidy(() => pick().add(pick()).mul(0.5))),
    () => void alive.push(tf.tidy(() => pick().sub(pick()).mul(0.5))),
    () => void alive.push(tf.tidy(() => tf.where(pick().greater(pick()), pick(), pick()))),
    // Shared data: a clone, another shape, a tensor made by hand.
    () => void alive.push(pick().clone()),
    () => void alive.push(tf.tidy(() => pick().reshape([3, 2]).reshape([6]).reshape([2, 3]))),
    () => {
      const { dataId, shape, dtype } = pick();
      backend.incRef(dataId);
      alive.push(tf.engine().makeTensorFromTensorInfo({ dataId, shape, dtype }));
    },
    () => void alive.push(tf.tidy(() => pick().reshape([3, 2]).transpose())),
    () => void alive.push(numbers()),
    // Results that a tidy keeps, hands out, or drops.
    () => tf.tidy(() => void alive.push(tf.keep(tf.tidy(() => pick().mul(0.25).add(pick()))))),
    () => {
      const kept = tf.tidy(() => {
        pick().add(1).square();
        return [pick().neg(), tf.tidy(() => pick().abs().clone())];
      });
      alive.push(...kept);
    },
    // Several outputs, of which some are never read.
    () => {
      const [top, bottom] = tf.tidy(() => tf.split(pick(), 2, 0));
      alive.push(tf.tidy(() => tf.concat([bottom, top], 0)));
      tf.dispose(random.integer(2) ? [top, bottom] : [bottom, top]);
    },
    () => {
      const value = tf.tidy(() => pick().mul(0.5));
      any(variables).assign(value as tf.Tensor2D);
      if (random.integer(2)) value.dispose();
      else alive.push(value);
    },
    // Two variables share data.
    () => variables[0].assign(variables[1]),
    () => {
      const at = random.integer(variables.length);
      variables[at].dispose();
      variables[at] = newVariable();
    },
    () => {
      const other = pick();
      const { value, grads } = tf.variableGrads(
        () => tf.sum(tf.mul(tf.tanh(variables[0]), tf.mul(other, variables[1]))) as tf.Scalar,
        variables,
      );
      alive.push(...variables.map(({ name }) => grads[name]));
      value.dispose();
    },
    () => void trace.read.push([...pick().dataSync()]),
    async () => void trace.read.push([...(await pick().data())]),
    drop,
    drop,
    drop,
    drop,
    drop,
  ];
  for (let call = 0; call < calls; call++) {
    const action = any(actions);
    const waiting = action();
    // What is recorded runs where a program awaits: only some of the calls may.
    if (waiting) await waiting;
    const { numTensors, numDataBuffers, numBytes } = tf.memory();
    const held = [...alive, ...variables];
    trace.counts.push([
      numTensors - before.numTensors,
      numDataBuffers - before.numDataBuffers,
      numBytes - before.numBytes,
      backend.numDataIds() - before.ids,
      ...held.map(({ dataId }) => backend.refCount(dataId)),
    ]);
    if (backend instanceof OnnxRuntimeBackend && call % 50 === 0) expectHonestMemory(backend, held);
  }
  for (const tensor of [...alive, ...variables]) trace.read.push([...tensor.dataSync()]);
  tf.dispose([...alive, ...variables]);
  expect(tf.memory().numTensors).toBe(before.numTensors);
  expect(backend.numDataIds()).toBe(before.ids);
  if (backend instanceof OnnxRuntimeBackend) {
    expect(backend.memory().numBytesInHost).toBe(0);
    expect(backend.statistics().fallbacks).toEqual({});
  }
  return trace;
}

/** Once all that was recorded has run, what is held is what the tensors alive need, and nothing waits. */
function expectHonestMemory(backend: OnnxRuntimeBackend, held: readonly tf.Tensor[]): void {
  backend.flush();
  const data = new Set(held.map(({ dataId }) => dataId));
  expect(backend.memory()).toMatchObject({ numBytesInHost: data.size * 6 * 4, pendingNodes: 0 });
}

describe('a program of random calls', () => {
  it.each([{}, { maximalNodes: 3 }, { cacheSize: 1, graphOptimizationLevel: 'disabled' as const }])(
    'reads, counts and leaves what it does on the cpu backend: %j',
    async (options) => {
      for (let seed = 0; seed < 4; seed++) {
        const expected = await runProgram('cpu', seed);
        const actual = await runProgram('onnxruntime', seed, options);
        expect({ seed, counts: actual.counts }).toEqual({ seed, counts: expected.counts });
        expect(actual.read.length).toBe(expected.read.length);
        actual.read.forEach((values, i) => {
          values.forEach((value, j) => expect(Math.abs(value - expected.read[i][j])).toBeLessThan(1e-5));
        });
      }
    },
  );
});
