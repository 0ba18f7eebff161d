import * as tf from '@tensorflow/tfjs';
import {
  booleans,
  expectAgreement,
  expectGradientAgreement,
  expectValues,
  floats,
  integers,
  numbers,
  runOnnx,
  useOnnxRuntime,
  type Input,
} from '../test-support/agreement.js';

type Reduction = (x: tf.Tensor, axis?: number | number[], keepDims?: boolean) => tf.Tensor;

const reductions: Record<string, Reduction> = { sum: tf.sum, mean: tf.mean, prod: tf.prod, max: tf.max, min: tf.min };

/** Every pattern of reduced and kept axes that takes a way of its own. */
const cases: [number[], number | number[] | undefined][] = [
  [[], undefined],
  [[5], undefined],
  [[5], 0],
  [[3, 4], 0],
  [[3, 4], 1],
  [[3, 4], [-1]],
  [[2, 3, 4], 1],
  [
    [2, 3, 2, 4],
    [0, 1, 2],
  ],
  [
    [2, 3, 2, 4],
    [0, 2],
  ],
  [
    [2, 3, 2, 4],
    [1, 3],
  ],
  [
    [2, 3, 2, 4],
    [0, 2, 3],
  ],
  [
    [2, 1, 3],
    [1, 2],
  ],
  [[2, 1, 3], 1],
  [[1, 1], undefined],
  [[2, 3], []],
];

/** A whole tensor with a few NaN. */
function withNaN(seed: number, shape: number[]): Input {
  const size = tf.util.sizeFromShape(shape);
  const values = numbers(seed, size);
  for (const place of numbers(seed + 1, 3, 0, size)) values[Math.floor(place)] = NaN;
  return { values, shape, dtype: 'float32' };
}

describe('reductions', () => {
  beforeAll(useOnnxRuntime);

  it.each(Object.entries(reductions))('%s agrees with cpu', (_, reduce) => {
    for (const [shape, axis] of cases) {
      for (const keepDims of [false, true]) {
        expectAgreement([floats(1, shape)], (x) => reduce(x, axis, keepDims), { absolute: 1e-5 });
        expectAgreement([integers(2, shape, -1, 3)], (x) => reduce(x, axis, keepDims), { absolute: 1e-5 });
      }
    }
  });

  it.each(Object.entries(reductions))('%s of random shapes and axes agrees with cpu', (_, reduce) => {
    for (let seed = 100; seed < 125; seed++) {
      const shape = integers(seed, [1 + (seed % 5)], 1, 5).values as number[];
      const chosen = booleans(seed + 1, [shape.length]).values;
      const axes = [...shape.keys()].filter((axis) => chosen[axis]);
      expectAgreement([floats(seed, shape, 0.5, 1.5)], (x) => reduce(x, axes, seed % 2 === 0), { absolute: 1e-5 });
    }
  });

  it.each(Object.entries(reductions))('%s of booleans agrees with cpu', (name, reduce) => {
    for (const [shape, axis] of cases.slice(1)) {
      if (name !== 'prod') expectAgreement([booleans(3, shape)], (x) => reduce(x, axis), { absolute: 1e-5 });
    }
  });

  // The gradient of prod throws in tfjs 4.22 for most axes, on any backend.
  it.each(['sum', 'mean', 'max', 'min'])('the gradients of %s agree with cpu', (name) => {
    const reduce = reductions[name];
    for (const [shape, axis] of cases.slice(1)) {
      expectGradientAgreement([floats(4, shape)], (x) => reduce(x, axis), { absolute: 1e-4, relative: 1e-4 });
    }
  });

  it.each(Object.entries(reductions))('%s of nothing agrees with cpu', (_, reduce) => {
    expectAgreement([floats(5, [0, 3])], (x) => reduce(x, 0));
    expectAgreement([floats(5, [0, 3])], (x) => reduce(x, 1));
    expectAgreement([floats(5, [0])], (x) => reduce(x));
  });

  it.each(Object.entries(reductions))('%s keeps NaN wherever it is', (_, reduce) => {
    for (let seed = 10; seed < 30; seed++) {
      expectAgreement([withNaN(seed, [6, 37])], (x) => reduce(x, 1), { absolute: 1e-4 });
      expectAgreement([withNaN(seed, [37, 6])], (x) => reduce(x, 0), { absolute: 1e-4 });
      expectAgreement([withNaN(seed, [3, 17, 2])], (x) => reduce(x, 1), { absolute: 1e-4 });
      expectAgreement([withNaN(seed, [131])], (x) => reduce(x), { absolute: 1e-4 });
    }
  });

  it('sums over many leading rows to float64', () => {
    const [rows, columns] = [20_000, 6];
    const input = floats(31, [rows, columns], 0, 1);
    const sums = new Float64Array(columns);
    Float32Array.from(input.values).forEach((value, i) => (sums[i % columns] += value));
    expectValues(runOnnx([input], (x) => tf.sum(x, 0))[0].values, sums, { relative: 1e-5 });
    const means = sums.map((sum) => sum / rows);
    expectValues(runOnnx([input], (x) => tf.mean(x, 0))[0].values, means, { relative: 1e-5 });
  });

  it('all and any agree with cpu', () => {
    for (const [shape, axis] of cases.slice(1)) {
      for (const keepDims of [false, true]) {
        expectAgreement([booleans(32, shape)], (x) => tf.all(x, axis, keepDims));
        expectAgreement([booleans(33, shape)], (x) => tf.any(x, axis, keepDims));
      }
    }
  });

  it('argMax and argMin agree with cpu, the first of equals too', () => {
    for (const [shape, axis] of cases.slice(1)) {
      const first = typeof axis === 'number' ? axis : 0;
      for (const arg of [tf.argMax, tf.argMin]) {
        expectAgreement([floats(34, shape)], (x) => arg(x, first));
        expectAgreement([integers(35, shape, 0, 3)], (x) => arg(x, first));
        expectAgreement([booleans(36, shape)], (x) => arg(x, first));
      }
    }
    const [most] = runOnnx([{ values: [NaN, 3, 5, NaN, 3], shape: [5], dtype: 'float32' }], (x) => tf.argMax(x));
    expectValues(most.values, [2]);
    expectAgreement([floats(37, [2, 0])], (x) => tf.argMax(x, 1));
    expectAgreement([floats(37, [0, 2])], (x) => tf.argMax(x, 1));
  });

  it('cumsum and cumprod agree with cpu, with their gradients', () => {
    for (const exclusive of [false, true]) {
      for (const reverse of [false, true]) {
        const cumsum = (axis: number) => (x: tf.Tensor) => tf.cumsum(x, axis, exclusive, reverse);
        const cumprod = (axis: number) => (x: tf.Tensor) => tf.cumprod(x, axis, exclusive, reverse);
        for (const cumulate of [cumsum, cumprod]) {
          expectAgreement([floats(38, [7])], cumulate(0));
          expectAgreement([floats(39, [2, 5, 3])], cumulate(1));
          expectAgreement([floats(39, [2, 1])], cumulate(1));
          expectAgreement([floats(39, [0, 3])], cumulate(1));
          expectAgreement([integers(40, [3, 8], -3, 4)], cumulate(0));
        }
        expectGradientAgreement([floats(41, [3, 4])], cumsum(1));
      }
    }
  });

  it('softmax and logSoftmax agree with cpu and with float64', () => {
    for (const shape of [[5], [3, 4], [2, 3, 4], [1, 1], [0, 4]]) {
      for (const soft of [(x: tf.Tensor) => tf.softmax(x), (x: tf.Tensor) => tf.logSoftmax(x)]) {
        expectAgreement([floats(42, shape, -20, 20)], soft);
        if (shape[0] > 0) expectGradientAgreement([floats(43, shape)], soft);
      }
    }
    const logits = [1000, 1001, 998];
    const [{ values }] = runOnnx([{ values: logits, shape: [3], dtype: 'float32' }], (x) => tf.softmax(x));
    const exponentials = logits.map((logit) => Math.exp(logit - 1001));
    const total = exponentials.reduce((a, b) => a + b);
    expectValues(
      values,
      exponentials.map((each) => each / total),
    );
  });
});
