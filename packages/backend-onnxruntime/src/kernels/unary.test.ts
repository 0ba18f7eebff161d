import * as tf from '@tensorflow/tfjs';
import {
  booleans,
  expectAgreement,
  expectGradientAgreement,
  expectValues,
  floats,
  integers,
  runOnnx,
  useOnnxRuntime,
  type Input,
} from '../test-support/agreement.js';

type Unary = (x: tf.Tensor) => tf.Tensor;

/** Operations with the interval they are tested on, and whether they have a gradient. */
const operations: Record<string, [Unary, number, number, boolean]> = {
  abs: [tf.abs, -3, 3, true],
  acos: [tf.acos, -0.95, 0.95, true],
  acosh: [tf.acosh, 1.1, 5, true],
  asin: [tf.asin, -0.95, 0.95, true],
  asinh: [tf.asinh, -3, 3, true],
  atan: [tf.atan, -3, 3, true],
  atanh: [tf.atanh, -0.95, 0.95, true],
  ceil: [tf.ceil, -3, 3, true],
  cos: [tf.cos, -3, 3, true],
  cosh: [tf.cosh, -3, 3, true],
  elu: [tf.elu, -3, 3, true],
  erf: [tf.erf, -3, 3, true],
  exp: [tf.exp, -3, 3, true],
  expm1: [tf.expm1, -3, 3, true],
  floor: [tf.floor, -3, 3, true],
  log: [tf.log, 0.1, 5, true],
  log1p: [tf.log1p, -0.9, 5, true],
  neg: [tf.neg, -3, 3, true],
  reciprocal: [tf.reciprocal, 0.2, 3, true],
  relu: [tf.relu, -3, 3, true],
  relu6: [tf.relu6, -3, 9, true],
  round: [tf.round, -3, 3, true],
  rsqrt: [tf.rsqrt, 0.2, 3, true],
  selu: [tf.selu, -3, 3, true],
  sigmoid: [tf.sigmoid, -6, 6, true],
  sign: [tf.sign, -3, 3, true],
  sin: [tf.sin, -3, 3, true],
  sinh: [tf.sinh, -3, 3, true],
  softplus: [tf.softplus, -20, 20, true],
  sqrt: [tf.sqrt, 0.1, 5, true],
  square: [tf.square, -3, 3, true],
  tan: [tf.tan, -1, 1, true],
  tanh: [tf.tanh, -3, 3, true],
  step: [(x) => tf.step(x, 0), -3, 3, true],
  'step with a slope': [(x) => tf.step(x, -0.25), -3, 3, true],
  'leaky relu': [(x) => tf.leakyRelu(x, 0.3), -3, 3, true],
  clip: [(x) => tf.clipByValue(x, -1, 0.5), -3, 3, true],
  isNaN: [tf.isNaN, -3, 3, false],
  isInf: [tf.isInf, -3, 3, false],
  isFinite: [tf.isFinite, -3, 3, false],
};

/** The same in float64, for what tfjs's cpu backend itself computes in float64: an independent truth. */
const closedForms: Record<string, (x: number) => number> = {
  expm1: Math.expm1,
  log1p: Math.log1p,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  softplus: (x) => Math.log1p(Math.exp(-Math.abs(x))) + Math.max(x, 0),
  selu: (x) => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * Math.expm1(x)),
  elu: (x) => (x > 0 ? x : Math.expm1(x)),
  tanh: Math.tanh,
  rsqrt: (x) => 1 / Math.sqrt(x),
};

describe('unary kernels', () => {
  beforeAll(useOnnxRuntime);

  it.each(Object.entries(operations))('%s agrees with cpu', (_, [operation, low, high]) => {
    expectAgreement([floats(1, [3, 5, 7], low, high)], operation);
    expectAgreement([floats(2, [], low, high)], operation);
    expectAgreement([floats(3, [0, 4], low, high)], operation);
  });

  it.each(Object.entries(operations).filter(([, [, , , gradient]]) => gradient))(
    'the gradient of %s agrees with cpu',
    (_, [operation, low, high]) => {
      expectGradientAgreement([floats(4, [4, 5], low, high)], operation, { relative: 1e-4, absolute: 1e-5 });
    },
  );

  it.each(Object.entries(operations))('%s of numbers that are not finite agrees with cpu', (_, [operation]) => {
    const values = [NaN, Infinity, -Infinity, 0, 100, -100, NaN, 1, -1, 0.5, 1.5, 2.5, -0.5, NaN, -1.5, 6, 7, NaN];
    expectAgreement([{ values, shape: [values.length], dtype: 'float32' }], operation, { relative: 1e-4 });
  });

  it.each(['abs', 'neg', 'relu', 'relu6', 'sign', 'square', 'step', 'clip'])('%s of integers agrees with cpu', (name) =>
    expectAgreement([integers(5, [4, 6])], operations[name][0], { relative: 1e-4 }),
  );

  it.each(Object.entries(closedForms))('%s is its closed form in float64', (name, closed) => {
    const [operation, low, high] = operations[name];
    const input = floats(6, [200], low, high);
    const [{ values }] = runOnnx([input], operation);
    expectValues(values, Array.from(Float32Array.from(input.values), closed), { absolute: 4e-7, relative: 2e-6 });
  });

  it('keeps the relative precision of expm1 and log1p near 0, and of softplus near −∞', () => {
    const values = [1e-7, -1e-7, 3e-5, -2e-4, 1e-3, 1e-12];
    const near: Input = { values, shape: [values.length], dtype: 'float32' };
    const exact = Array.from(Float32Array.from(values));
    const tolerance = { absolute: 0, relative: 1e-6 };
    expectValues(runOnnx([near], tf.expm1)[0].values, exact.map(Math.expm1), tolerance);
    expectValues(runOnnx([near], tf.log1p)[0].values, exact.map(Math.log1p), tolerance);
    const low: Input = { values: [-30, -20, -10, -5], shape: [4], dtype: 'float32' };
    expectValues(runOnnx([low], tf.softplus)[0].values, low.values.map(closedForms.softplus), tolerance);
  });

  it.each([
    ['tanh', tf.tanh, -1, 1],
    ['sigmoid', tf.sigmoid, 0, 1],
    ['fused sigmoid', (x: tf.Tensor) => tf.fused.matMul({ a: x, b: [[1]] as never, activation: 'sigmoid' }), 0, 1],
  ] as [string, Unary, number, number][])('%s never leaves its bounds, not by a unit', (_, operation, low, high) => {
    const values = Array.from({ length: 8001 }, (_, i) => i / 200 - 20);
    const [outcome] = runOnnx([{ values, shape: [values.length, 1], dtype: 'float32' }], operation);
    expect(Math.min(...outcome.values)).toBeGreaterThanOrEqual(low);
    expect(Math.max(...outcome.values)).toBeLessThanOrEqual(high);
  });

  it('rounds halves to even', () => {
    const values = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5];
    const [rounded] = runOnnx([{ values, shape: [7], dtype: 'float32' }], tf.round);
    expectValues(rounded.values, [-2, -2, 0, 0, 2, 2, 4]);
  });

  it('prelu and its gradients agree with cpu', () => {
    const prelu = (x: tf.Tensor, alpha: tf.Tensor) => tf.prelu(x, alpha);
    expectAgreement([floats(7, [2, 3, 4]), floats(8, [4])], prelu);
    expectGradientAgreement([floats(7, [2, 3, 4]), floats(8, [4])], prelu);
  });

  it('casts as tfjs does', () => {
    const awkward: Input = { values: [1.9, -1.9, 0, -0.4, NaN, Infinity, 77.5], shape: [7], dtype: 'float32' };
    for (const dtype of ['float32', 'int32', 'bool'] as const) {
      expectAgreement([awkward], (x) => tf.cast(x, dtype));
      expectAgreement([integers(9, [3, 3])], (x) => tf.cast(x, dtype));
      expectAgreement([booleans(10, [3, 3])], (x) => tf.cast(x, dtype));
      expectAgreement([booleans(11, [0, 3])], (x) => tf.cast(x, dtype));
    }
  });
});
