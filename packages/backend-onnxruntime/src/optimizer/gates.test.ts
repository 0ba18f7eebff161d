import * as tf from '@tensorflow/tfjs';
import { expectClose } from '@retort-tools/testing';
import { compile } from '@retort/nn';
import { useOnnxRuntime } from '../test-support/against-cpu.js';
import { operators } from '../test-support/operators.js';

beforeAll(useOnnxRuntime);

const points = Array.from({ length: 97 }, (_, i) => (i - 48) / 6);
const ends = [-1e4, 1e4, -30, 30, 0];
/** Of values and of what is expected there: more numbers than an operator takes at once. */
function many(at: (x: number) => number): number[] {
  const numbers = points.map(at);
  return [...Array.from({ length: 120 }, () => numbers).flat(), ...ends.map(at)];
}

const gelu = (x: tf.Tensor) => (tf.layers.activation({ activation: 'gelu' }).apply(x) as tf.Tensor).clone();
const quickGelu = (x: tf.Tensor) => tf.mul(x, tf.sigmoid(tf.mul(x, 1.702)));

const density = (x: number) => Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);

/** Φ(x) by Simpson's rule. */
function distribution(x: number): number {
  const end = Math.min(Math.abs(x), 12);
  const steps = 400;
  let sum = density(0) + density(end);
  for (let i = 1; i < steps; i++) sum += density((end * i) / steps) * (i % 2 === 0 ? 2 : 4);
  const half = (sum * end) / steps / 3;
  return x < 0 ? 0.5 - half : 0.5 + half;
}

const logistic = (x: number) => 1 / (1 + Math.exp(-1.702 * x));

const gates = [
  {
    name: 'x Φ(x)',
    op: 'com.microsoft.Gelu',
    apply: gelu,
    value: (x: number) => x * distribution(x),
    slope: (x: number) => distribution(x) + x * density(x),
  },
  {
    name: 'x σ(1.702 x)',
    op: 'com.microsoft.QuickGelu',
    apply: quickGelu,
    value: (x: number) => x * logistic(x),
    slope: (x: number) => logistic(x) + 1.702 * x * logistic(x) * (1 - logistic(x)),
  },
];

describe.each(gates)('$name', ({ op, apply, value, slope }) => {
  it('is one operator where nothing else reads what is between', () => {
    const count = (body: (x: tf.Tensor) => tf.Tensor | tf.Tensor[]) =>
      operators([[4, 5]], (x) => body(x), { freeze: true }).after(op);
    expect(count(apply)).toBe(1);
    expect(count((x) => apply(apply(x)))).toBe(2);
    // What is reshaped is recorded once for each time it is read.
    expect(count((x) => apply(tf.reshape(tf.matMul(x as tf.Tensor2D, x as tf.Tensor2D, true), [5, 5, 1])))).toBe(1);
    const gradient = operators(
      [[4, 5]],
      (x) => {
        const result = tf.variableGrads(() => tf.sum(apply(x)), [x]);
        return [result.value, ...Object.values(result.grads)];
      },
      { freeze: true },
    );
    expect(gradient.after(op)).toBe(0);
  });

  it('is what float64 gives', async () => {
    const step = compile(({ x }) => ({ y: apply(x) }), { variables: {} });
    const x = tf.tensor1d(many((each) => each));
    const expected = many(value);
    // Recorded, then replayed.
    for (let i = 0; i < 2; i++) {
      const { y } = step({ x });
      await expectClose(y, expected);
      y.dispose();
    }
    x.dispose();
  });

  it('has the gradient that float64 gives', async () => {
    const x = tf.variable(tf.tensor1d(points));
    const step = compile(
      () => {
        const result = tf.variableGrads(() => tf.sum(apply(x)), [x]);
        return { gradient: result.grads[x.name] };
      },
      { variables: { x } },
    );
    for (let i = 0; i < 2; i++) {
      const { gradient } = step({});
      await expectClose(gradient, points.map(slope));
      gradient.dispose();
    }
    x.dispose();
  });
});

it('another gate is left as it is', () => {
  const others: ((x: tf.Tensor, y: tf.Tensor) => tf.Tensor | tf.Tensor[])[] = [
    (x, y) => tf.mul(y, tf.sigmoid(tf.mul(x, 1.702))),
    (x) => tf.mul(x, tf.sigmoid(x)),
    (x) => {
      const open = tf.sigmoid(tf.mul(x, 1.702));
      return [open, tf.mul(x, open)];
    },
    (x) => tf.mul(x, tf.mul(0.5, tf.add(1, tf.erf(tf.div(x, 2))))),
    (x) => tf.mul(x, tf.mul(0.25, tf.add(1, tf.erf(tf.div(x, Math.SQRT2))))),
  ];
  for (const other of others) {
    const { after } = operators([[4, 5], [4, 5]], other, { freeze: true }); // prettier-ignore
    expect(gates.map(({ op }) => after(op))).toEqual([0, 0]);
  }
});
