import * as tf from '@tensorflow/tfjs';
import {
  booleans,
  expectAgreement,
  expectGradientAgreement,
  expectValues,
  floats,
  integers,
  runOn,
  runOnnx,
  useOnnxRuntime,
  type Input,
} from '../test-support/agreement.js';

type Binary = (a: tf.Tensor, b: tf.Tensor) => tf.Tensor;

const arithmetic: Record<string, Binary> = {
  add: tf.add,
  sub: tf.sub,
  mul: tf.mul,
  div: tf.div,
  floorDiv: tf.floorDiv,
  mod: tf.mod,
  maximum: tf.maximum,
  minimum: tf.minimum,
  squaredDifference: tf.squaredDifference,
  atan2: tf.atan2,
};

const comparisons: Record<string, Binary> = {
  equal: tf.equal,
  notEqual: tf.notEqual,
  greater: tf.greater,
  greaterEqual: tf.greaterEqual,
  less: tf.less,
  lessEqual: tf.lessEqual,
};

const logical: Record<string, Binary> = {
  logicalAnd: (a, b) => tf.logicalAnd(a, b),
  logicalOr: (a, b) => tf.logicalOr(a, b),
  logicalXor: (a, b) => tf.logicalXor(a, b),
};

/** Pairs of shapes that broadcast. */
const shapes: [number[], number[]][] = [
  [
    [3, 4],
    [3, 4],
  ],
  [[2, 3, 4], [4]],
  [[3, 1], [5]],
  [[], [2, 3]],
  [[], []],
  [[0, 3], [3]],
];

describe('binary kernels', () => {
  beforeAll(useOnnxRuntime);

  it.each(Object.entries({ ...arithmetic, ...comparisons }))('%s agrees with cpu', (_, operation) => {
    for (const [a, b] of shapes) {
      expectAgreement([floats(1, a), floats(2, b)], operation);
      expectAgreement([integers(3, a), integers(4, b, 1, 9)], operation);
      expectAgreement([integers(3, a), integers(4, b, -9, 0)], operation);
    }
  });

  it.each(Object.entries(arithmetic))('%s of random shapes that broadcast agrees with cpu', (_, operation) => {
    for (let seed = 100; seed < 115; seed++) {
      const full = integers(seed, [1 + (seed % 5)], 1, 5).values;
      const [a, b] = [1, 2].map((each) => {
        const kept = booleans(seed + each, [full.length]).values;
        return full.map((size, axis) => (kept[axis] ? size : 1)).slice(each === 2 ? seed % 2 : 0);
      });
      expectAgreement([floats(seed, a), floats(seed + 1, b, 0.5, 3)], operation);
    }
  });

  it.each(Object.entries({ ...arithmetic, ...comparisons }))('%s of mixed types agrees with cpu', (_, operation) => {
    expectAgreement([floats(5, [3, 4]), integers(6, [4], 1, 5)], operation);
    expectAgreement([integers(7, [3, 4]), floats(8, [4], 0.5, 2)], operation);
  });

  it.each(Object.entries(arithmetic).filter(([name]) => name !== 'floorDiv'))(
    'the gradients of %s agree with cpu',
    (name, operation) => {
      // tfjs 4.22 does not sum these gradients over the axes that broadcast.
      const unreduced = ['maximum', 'minimum', 'squaredDifference'].includes(name);
      for (const [a, b] of unreduced ? shapes.slice(0, 1) : shapes.slice(0, 5)) {
        expectGradientAgreement([floats(9, a), floats(10, b, 0.5, 3)], operation, { relative: 1e-4, absolute: 1e-5 });
      }
    },
  );

  it.each(Object.entries({ ...arithmetic, ...comparisons }))('%s of awkward floats agrees with cpu', (_, operation) => {
    const each = [NaN, Infinity, -Infinity, 0, -0, 1, -1.5];
    const a: Input = { values: each, shape: [7, 1], dtype: 'float32' };
    expectAgreement([a, { values: each, shape: [7], dtype: 'float32' }], operation);
  });

  it('divides integers by zero, and the least integer by -1, without ending the process', () => {
    const a: Input = { values: [5, -5, 0, 2147483647], shape: [4, 1], dtype: 'int32' };
    const b: Input = { values: [0, 1, -1, 2, -2], shape: [5], dtype: 'int32' };
    for (const operation of [tf.div, tf.floorDiv, tf.mod]) expectAgreement([a, b], operation);
    const least: Input = { values: [-2147483648], shape: [1], dtype: 'int32' };
    const minusOne: Input = { values: [-1], shape: [1], dtype: 'int32' };
    for (const operation of [tf.div, tf.floorDiv, tf.mod]) expectAgreement([least, minusOne], operation);
  });

  it('divides large integers exactly, which float32 does not', () => {
    const [{ values }] = runOnnx(
      [
        { values: [2147483646, -2147483646, 16777217], shape: [3], dtype: 'int32' },
        { values: [2147483645, 4, 1], shape: [3], dtype: 'int32' },
      ],
      tf.floorDiv,
    );
    expectValues(values, [1, -536870912, 16777217], { absolute: 0, relative: 0 });
  });

  it('pow and its gradients agree with cpu', () => {
    const pow: Binary = (a, b) => tf.pow(a, b);
    for (const [a, b] of shapes) expectAgreement([floats(11, a, 0.1, 3), floats(12, b)], pow);
    expectAgreement([integers(13, [3, 4]), integers(14, [4], 0, 4)], pow);
    expectGradientAgreement([floats(11, [3, 4], 0.1, 3), floats(12, [4])], pow, { relative: 1e-4, absolute: 1e-5 });
  });

  it('addN and its gradients agree with cpu', () => {
    const addN = (...tensors: tf.Tensor[]) => tf.addN(tensors);
    expectAgreement([floats(15, [2, 3]), floats(16, [2, 3]), floats(17, [2, 3])], addN);
    expectAgreement([integers(15, [2, 3]), integers(16, [2, 3]), integers(17, [2, 3])], addN);
    expectAgreement([floats(15, [])], addN);
    expectGradientAgreement([floats(15, [2, 3]), floats(16, [2, 3])], addN);
  });

  it.each(Object.entries(logical))('%s agrees with cpu', (_, operation) => {
    for (const [a, b] of shapes) expectAgreement([booleans(18, a), booleans(19, b)], operation);
  });

  it('logicalNot agrees with cpu', () => expectAgreement([booleans(20, [3, 4])], (x) => tf.logicalNot(x)));

  it('comparisons of booleans agree with cpu', () => {
    for (const operation of Object.values(comparisons)) {
      expectAgreement([booleans(21, [4, 4]), booleans(22, [4])], operation);
    }
  });

  it('complex arithmetic agrees with cpu', () => {
    const parts = [floats(27, [3, 4]), floats(28, [3, 4]), floats(29, [3, 4]), floats(30, [3, 4])];
    for (const operation of [tf.add, tf.sub, tf.mul]) {
      const compute = (...[a, b, c, d]: tf.Tensor[]) => {
        const y: tf.Tensor = operation(tf.complex(a, b), tf.complex(c, d));
        return [tf.real(y), tf.imag(y)];
      };
      const exactly = runOn('cpu', parts, compute);
      runOn('onnxruntime', parts, compute).forEach(({ values }, i) => expectValues(values, exactly[i].values));
    }
  });

  it('where agrees with cpu for each type and for conditions that broadcast', () => {
    const where = (condition: tf.Tensor, t: tf.Tensor, e: tf.Tensor) => tf.where(condition, t, e);
    expectAgreement([booleans(23, [3, 4]), floats(24, [3, 4]), floats(25, [3, 4])], where);
    expectAgreement([booleans(23, [3, 4]), integers(24, [3, 4]), integers(25, [3, 4])], where);
    expectAgreement([booleans(23, [3, 4]), booleans(24, [3, 4]), booleans(25, [3, 4])], where);
    expectAgreement([booleans(23, []), floats(24, []), floats(25, [])], where);
    expectGradientAgreement([floats(24, [3, 4]), floats(25, [3, 4])], (t, e) =>
      tf.where(tf.tensor2d(booleans(26, [3, 4]).values as number[], [3, 4], 'bool'), tf.square(t), e),
    );
  });

  it('a condition of rank 1 chooses rows', () => {
    const [{ values }] = runOnnx([], () => {
      const inputs = {
        condition: tf.tensor1d([1, 0, 1], 'bool'),
        t: tf.ones([3, 2]),
        e: tf.tensor2d([5, 6, 7, 8, 9, 10], [3, 2]),
      };
      return tf.engine().runKernel(tf.Select, inputs) as tf.Tensor;
    });
    expectValues(values, [1, 1, 7, 8, 1, 1]);
  });
});
