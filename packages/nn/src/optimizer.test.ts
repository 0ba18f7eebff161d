import type { Part } from '@retort/core';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { adamw } from './adamw.js';
import { bindOptimizer, gradientsOf, gradientsWithAux, type Optimizer } from './optimizer.js';
import { sgd } from './sgd.js';
import { numbers } from './test-support/numbers.js';

const make = (part: Part<'optimizer'>, options: object) =>
  part.create(part.options.parse(options) as never, undefined) as Optimizer;

/** A parameter's update in float64: returns the new parameter and changes its slots. */
type Rule = (theta: number, gradient: number, slots: Record<string, number>, rate: number, step: number) => number;

/** torch.optim.SGD's loop. */
const sgdRule =
  (momentum: number, nesterov: boolean, weightDecay: number): Rule =>
  (theta, gradient, slots, rate, step) => {
    let g = gradient + weightDecay * theta;
    if (momentum > 0) {
      slots.velocity = step === 1 ? g : momentum * slots.velocity + g;
      g = nesterov ? g + momentum * slots.velocity : slots.velocity;
    }
    return theta - rate * g;
  };

/** torch.optim.AdamW's loop. */
const adamwRule =
  (beta1: number, beta2: number, epsilon: number, weightDecay: number): Rule =>
  (theta, gradient, slots, rate, step) => {
    const decayed = theta - rate * weightDecay * theta;
    slots.mean = beta1 * (slots.mean ?? 0) + (1 - beta1) * gradient;
    slots.square = beta2 * (slots.square ?? 0) + (1 - beta2) * gradient ** 2;
    const denominator = Math.sqrt(slots.square) / Math.sqrt(1 - beta2 ** step) + epsilon;
    return decayed - ((rate / (1 - beta1 ** step)) * slots.mean) / denominator;
  };

const start = { kernel: numbers('kernel', 6), bias: numbers('bias', 3) };
const shapes = { kernel: [2, 3], bias: [3] };
const makeParameters = () =>
  tf.tidy(() => ({
    kernel: tf.variable(tf.tensor(start.kernel, shapes.kernel)),
    bias: tf.variable(tf.tensor(start.bias, shapes.bias)),
  }));

/** Five updates with the learning rate changing, against the rule in float64. */
async function follows(optimizer: Optimizer, rule: (key: 'kernel' | 'bias') => Rule): Promise<void> {
  const parameters = makeParameters();
  const bound = bindOptimizer(optimizer, parameters);
  const expected = structuredClone(start);
  const slots = { kernel: start.kernel.map(() => ({})), bias: start.bias.map(() => ({})) };
  for (let step = 1; step <= 5; step++) {
    const rate = 0.1 / step;
    const gradients = { kernel: numbers(`kernel ${step}`, 6), bias: numbers(`bias ${step}`, 3) };
    tf.tidy(() =>
      bound.apply(
        { kernel: tf.tensor(gradients.kernel, shapes.kernel), bias: tf.tensor(gradients.bias, shapes.bias) },
        { learningRate: tf.scalar(rate), step: tf.scalar(step) },
      ),
    );
    for (const key of ['kernel', 'bias'] as const) {
      expected[key] = expected[key].map((theta, i) => rule(key)(theta, gradients[key][i], slots[key][i], rate, step));
      await expectClose(parameters[key], expected[key], { absolute: 1e-6, relative: 2e-5 });
    }
  }
  bound.dispose();
  tf.dispose(parameters);
}

describeEachBackend('sgd', () => {
  it.each([
    { momentum: 0, nesterov: false, weightDecay: 0 },
    { momentum: 0, nesterov: false, weightDecay: 0.1 },
    { momentum: 0.9, nesterov: false, weightDecay: 0.1 },
    { momentum: 0.9, nesterov: true, weightDecay: 0 },
    { momentum: 0.5, nesterov: true, weightDecay: 0.1 },
  ])('follows the loop in float64: %j', (options) =>
    follows(make(sgd, options), () => sgdRule(options.momentum, options.nesterov, options.weightDecay)),
  );

  it('leaves biases undecayed with decayOn: kernels', () =>
    follows(make(sgd, { weightDecay: 0.1, decayOn: 'kernels' }), (key) =>
      sgdRule(0.9, false, key === 'kernel' ? 0.1 : 0),
    ));
});

describeEachBackend('adamw', () => {
  it.each([
    { weightDecay: 0, decayOn: 'all' },
    { weightDecay: 0.1, decayOn: 'all' },
    { weightDecay: 0.1, decayOn: 'kernels' },
    { beta1: 0.5, beta2: 0.9, epsilon: 0.01, weightDecay: 0.1, decayOn: 'all' },
  ])('follows the loop in float64: %j', ({ beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, ...rest }) =>
    follows(make(adamw, { beta1, beta2, epsilon, ...rest }), (key) =>
      adamwRule(beta1, beta2, epsilon, key === 'kernel' || rest.decayOn === 'all' ? rest.weightDecay : 0),
    ),
  );
});

describeEachBackend('bound optimizer', () => {
  const update = (bound: ReturnType<typeof bindOptimizer>, gradient: number, accept?: boolean) =>
    tf.tidy(() =>
      bound.apply(
        { kernel: tf.fill(shapes.kernel, gradient) },
        {
          learningRate: tf.scalar(0.1),
          step: tf.scalar(1),
          ...(accept !== undefined && { accept: tf.scalar(accept, 'bool') }),
        },
      ),
    );

  it('changes nothing where the update is not accepted, not even by a NaN', async () => {
    const parameters = makeParameters();
    const bound = bindOptimizer(make(adamw, {}), parameters);
    update(bound, 1, true);
    const all = { ...parameters, ...bound.variables };
    const before = Object.values(all).map((variable) => Array.from(variable.dataSync()));
    expect(before[0]).not.toEqual(start.kernel);
    update(bound, 5, false);
    update(bound, NaN, false);
    expect(Object.values(all).map((variable) => Array.from(variable.dataSync()))).toEqual(before);
    bound.dispose();
    tf.dispose(parameters);
  });

  it('leaves parameters without a gradient alone', async () => {
    const parameters = makeParameters();
    const bound = bindOptimizer(make(sgd, { weightDecay: 0.1 }), parameters);
    update(bound, 1);
    await expectClose(parameters.bias, start.bias, { absolute: 0, relative: 0 });
    await expectClose(bound.variables['bias/velocity'], [0, 0, 0]);
    bound.dispose();
    tf.dispose(parameters);
  });

  it('goes on from saved slots as if it had not stopped', async () => {
    const parameters = makeParameters();
    const bound = bindOptimizer(make(sgd, {}), parameters);
    expect(Object.keys(bound.variables)).toEqual(['kernel/velocity', 'bias/velocity']);
    update(bound, 1);
    const saved = await bound.save();
    const values = Array.from(await parameters.kernel.data());
    update(bound, 2);
    const expected = Array.from(await parameters.kernel.data());

    tf.tidy(() => parameters.kernel.assign(tf.tensor(values, shapes.kernel)));
    const restored = bindOptimizer(make(sgd, {}), parameters);
    restored.load(saved);
    update(restored, 2);
    expect(Array.from(await parameters.kernel.data())).toEqual(expected);
    bound.dispose();
    restored.dispose();
    tf.dispose(parameters);
  });

  it('leaves no tensors', () =>
    expectNoLeak(() => {
      const parameters = makeParameters();
      for (const part of [sgd, adamw]) {
        const bound = bindOptimizer(make(part, {}), parameters);
        update(bound, 1, true);
        update(bound, 1);
        bound.dispose();
      }
      tf.dispose(parameters);
    }));
});

describeEachBackend('gradientsOf', () => {
  it('gives value and gradients by key, and none for what the value does not depend on', async () => {
    const parameters = {
      x: tf.variable(tf.tensor1d([1, 2])),
      y: tf.variable(tf.scalar(3)),
      idle: tf.variable(tf.scalar(1)),
    };
    const { value, gradients } = gradientsOf(
      () => parameters.x.square().sum().mul(parameters.y) as tf.Scalar,
      parameters,
    );
    expect(Object.keys(gradients).sort()).toEqual(['x', 'y']);
    await expectClose(value, [15]);
    await expectClose(gradients.x, [6, 12]);
    await expectClose(gradients.y, [5]);
    tf.dispose([parameters, value, gradients]);
  });

  it('hands out tensors of the forward pass, and nothing else stays', () =>
    expectNoLeak(async () => {
      const parameters = { x: tf.tidy(() => tf.variable(tf.tensor1d([1, 2]))) };
      const { value, gradients, aux } = gradientsWithAux(() => {
        const cube = parameters.x.pow(3);
        return { value: cube.sum() as tf.Scalar, aux: { cube } };
      }, parameters);
      await expectClose(aux.cube, [1, 8]);
      await expectClose(gradients.x, [3, 12]);
      tf.dispose([value, gradients, aux, parameters.x]);
    }));
});
