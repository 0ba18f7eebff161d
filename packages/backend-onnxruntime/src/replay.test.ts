import * as tf from '@tensorflow/tfjs';
import { expectClose } from '@retort-tools/testing';
import type { OnnxRuntimeBackend } from './index.js';
import { register } from './index.js';

const backend = () => tf.backend() as OnnxRuntimeBackend;

beforeAll(async () => {
  register();
  await tf.setBackend('onnxruntime');
  await tf.ready();
});

/** One step of momentum on ½‖Wx − y‖²: variables in and out, a fed batch, a constant and an output. */
function momentumStep() {
  const variables = {
    weights: tf.variable(tf.tensor2d([1, -2, 0.5, 3], [2, 2])),
    velocity: tf.variable(tf.zeros<tf.Rank.R2>([2, 2])),
  };
  const step = ({ x, y }: Record<string, tf.Tensor>) => {
    const { value, grads } = tf.variableGrads(
      () =>
        tf
          .matMul(x as tf.Tensor2D, variables.weights as tf.Tensor as tf.Tensor2D)
          .sub(y)
          .square()
          .mean() as tf.Scalar,
      [variables.weights],
    );
    const velocity = variables.velocity.mul(0.9).add<tf.Tensor2D>(grads[variables.weights.name]);
    variables.velocity.assign(velocity);
    variables.weights.assign(variables.weights.sub(velocity.mul(0.1)));
    return { loss: value };
  };
  return { variables, step };
}

const batch = (i: number, rows = 3) => ({
  x: tf.tensor2d(
    Array.from({ length: rows * 2 }, (_, j) => Math.sin(i + j)),
    [rows, 2],
  ),
  y: tf.tensor2d(
    Array.from({ length: rows * 2 }, (_, j) => Math.cos(i - j)),
    [rows, 2],
  ),
});

describe('compileStep', () => {
  it('compiles one graph per shape, the recorded call included, and computes nothing else', async () => {
    const kernel = tf.variable(tf.tensor2d([1, 2, 3, 4], [2, 2]));
    // A dense layer on three axes reshapes the kernel it reads, and the result: both share the data of what they came from.
    const step = ({ x }: Record<string, tf.Tensor>) => ({
      y: tf.matMul(x.reshape([1, -1, 2]), kernel.reshape([1, 2, 2]) as tf.Tensor3D).reshape([-1, 2]),
    });
    const run = backend().compileStep(step, { kernel });
    const { dataId } = kernel;
    const before = backend().statistics();
    for (const rows of [3, 3, 1, 3, 1]) {
      const { y } = run({ x: tf.ones([rows, 2]) });
      expect(y.shape).toEqual([rows, 2]);
      await expectClose(y, Array.from({ length: rows }, () => [4, 6]).flat());
    }
    const after = backend().statistics();
    expect(after.compiled - before.compiled).toBe(2);
    expect(after.runs - before.runs).toBe(5);
    expect(kernel.dataId).toBe(dataId);
  });

  it('does what the step does, call after call, also for a smaller last batch', async () => {
    const [plain, replayed] = [momentumStep(), momentumStep()];
    const run = backend().compileStep(replayed.step, replayed.variables);
    for (const [i, rows] of [3, 3, 3, 2, 3, 2].entries()) {
      const expected = tf.tidy(() => plain.step(batch(i, rows)));
      const actual = run(batch(i, rows));
      await expectClose(actual.loss, expected.loss);
      await expectClose(replayed.variables.weights, plain.variables.weights);
      await expectClose(replayed.variables.velocity, plain.variables.velocity);
    }
  });

  it('runs the code of a step once per shape, one graph a call, and leaves no tensors', () => {
    const { variables, step } = momentumStep();
    let calls = 0;
    const run = backend().compileStep((inputs: Record<string, tf.Tensor>) => {
      calls++;
      return step(inputs);
    }, variables);
    const fed = batch(1);
    tf.dispose(run(fed));
    const [tensors, ids, runs] = [tf.memory().numTensors, backend().numDataIds(), backend().statistics().runs];
    for (let i = 0; i < 5; i++) tf.dispose(run(fed));
    expect(calls).toBe(1);
    expect([tf.memory().numTensors, backend().numDataIds()]).toEqual([tensors, ids]);
    expect(backend().statistics().runs).toBe(runs + 5);
    expect(backend().statistics().fallbacks).toEqual({});
  });

  it('tells apart variables and inputs that share their numbers at first', async () => {
    const policy = tf.variable(tf.tensor1d([1, 2]));
    // Copies as a network and its target are made: the same data, counted twice.
    const target = tf.variable(policy.clone());
    const unused = tf.variable(policy.clone());
    const step = ({ x, scale }: Record<string, tf.Tensor>) => ({ y: policy.mul(x).add(target.mul(scale)) });
    const run = backend().compileStep(step, { policy, target, unused });
    const first = tf.tensor1d([1, 1]);
    const before = tf.memory().numTensors;
    await expectClose(run({ x: first, scale: first.clone() }).y, [2, 4]);
    expect(tf.memory().numTensors).toBe(before + 2);
    policy.assign(tf.tensor1d([10, 20]));
    await expectClose(run({ x: tf.tensor1d([1, 2]), scale: tf.tensor1d([3, 4]) }).y, [13, 48]);
    target.assign(tf.tensor1d([0, 0]));
    unused.assign(tf.tensor1d([7, 7]));
    await expectClose(run({ x: tf.tensor1d([1, 2]), scale: tf.tensor1d([3, 4]) }).y, [10, 40]);
  });

  it('leaves a copy of a variable alone', async () => {
    const { variables, step } = momentumStep();
    const run = backend().compileStep(step, variables);
    tf.dispose(run(batch(1)));
    const copy = variables.weights.clone();
    const before = (await copy.data()).slice();
    tf.dispose(run(batch(2)));
    await expectClose(copy, before);
    expect(Array.from(await variables.weights.data())).not.toEqual(Array.from(before));
  });

  it('gives every call its own numbers for inputs that pass through, and keeps variables that are only read', async () => {
    const scale = tf.variable(tf.scalar(2));
    const run = backend().compileStep(
      ({ x }: Record<string, tf.Tensor>) => ({ same: x.clone(), scaled: x.mul(scale) }),
      { scale },
    );
    for (const value of [1, 2, 3]) {
      const { same, scaled } = run({ x: tf.scalar(value) });
      await expectClose(same, [value]);
      await expectClose(scaled, [2 * value]);
    }
    scale.assign(tf.scalar(5));
    await expectClose(run({ x: tf.scalar(3) }).scaled, [15]);
  });

  it('copies variables, inputs and constants into variables, as they were before the step', async () => {
    const [newest, last, seen, flag] = [1, 0, 0, 5].map((value) => tf.variable(tf.scalar(value)));
    const run = backend().compileStep(
      ({ x }: Record<string, tf.Tensor>) => {
        last.assign(newest as tf.Tensor as tf.Scalar);
        newest.assign(newest.add(x));
        seen.assign(x as tf.Scalar);
        flag.assign(tf.scalar(7));
        return { constant: tf.tensor1d([3, 4]) };
      },
      { newest, last, seen, flag },
    );
    let before = {};
    for (const [i, value] of [1, 2, 3, 4].entries()) {
      tf.tidy(() => flag.assign(tf.scalar(5)));
      const x = tf.scalar(value);
      const { constant } = run({ x });
      await expectClose(constant, [3, 4]);
      const expected = [
        [2, 1, 1, 7],
        [4, 2, 2, 7],
        [7, 4, 3, 7],
        [11, 7, 4, 7],
      ];
      for (const [j, variable] of [newest, last, seen, flag].entries()) await expectClose(variable, [expected[i][j]]);
      tf.dispose([x, constant]);
      if (i > 1) expect(tf.memory()).toMatchObject(before);
      before = { numTensors: tf.memory().numTensors, numDataBuffers: tf.memory().numDataBuffers };
    }
  });

  it('copies a variable without computing anything', async () => {
    const [network, target] = [1, 0].map((value) => tf.variable(tf.scalar(value)));
    const run = backend().compileStep(
      () => {
        target.assign(network as tf.Tensor as tf.Scalar);
        return {};
      },
      { network, target },
    );
    for (const value of [1, 2, 3]) {
      network.assign(tf.scalar(value));
      run({});
      network.assign(tf.scalar(-value));
      await expectClose(target, [value]);
    }
  });

  it('goes on running a step that reads something back', async () => {
    const total = tf.variable(tf.scalar(0));
    const run = backend().compileStep(
      ({ x }: Record<string, tf.Tensor>) => {
        const [read] = x.mul(2).dataSync();
        total.assign(total.add(read));
        return {};
      },
      { total },
    );
    for (const value of [1, 2, 3]) run({ x: tf.scalar(value) });
    await expectClose(total, [12]);
  });
});
