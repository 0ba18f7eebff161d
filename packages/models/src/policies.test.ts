import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { box, discrete, InputError, outputTensors, type Student, type StudentContext } from '@retort/core';
import { compile, forward, loadLayersModel, namedWeights, saveLayersModel, setObservationMoments } from '@retort/nn';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import { policyCnn } from './policy-cnn.js';
import { policyLstm } from './policy-lstm.js';
import { policyMlp } from './policy-mlp.js';
import { actingContext, states } from './test-support/acting-context.js';
import { studentContext } from './test-support/student-context.js';

const parts = { 'policy-mlp': policyMlp, 'policy-cnn': policyCnn, 'policy-lstm': policyLstm };
type Name = keyof typeof parts;

const make = async (name: Name, options: object, context: StudentContext) =>
  (await parts[name].create(parts[name].options.parse(options) as never, context)) as Student;

const failure = async (name: Name, options: object, context: StudentContext) => {
  const error = await make(name, options, context).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(InputError);
  return (error as InputError).text;
};

const grid = [10, 10, 4];
const torque = box([-2], [2]);
const two = discrete(2);

describeEachBackend('networks that act', (backend) => {
  const trunk = (inputs: number) => inputs * 64 + 64 + 64 * 64 + 64;
  // Written out layer by layer: kernels, then biases.
  it.each<[Name, object, StudentContext, number, Record<string, number[]>]>([
    [
      'policy-mlp',
      {},
      actingContext([4]),
      2 * trunk(4) + 64 * 2 + 2 + 64 + 1,
      { logits: [2], value: [1], embedding: [64] },
    ],
    [
      'policy-mlp',
      { value: 'shared' },
      actingContext([6], discrete(3)),
      trunk(6) + 64 * 3 + 3 + 65,
      { logits: [3], value: [1], embedding: [64] },
    ],
    [
      'policy-mlp',
      { value: 'none', normalize: false },
      actingContext([3], torque),
      trunk(3) + 65,
      { mean: [1], embedding: [64] },
    ],
    [
      'policy-mlp',
      { hidden: [8], dueling: true },
      actingContext([4]),
      2 * (4 * 8 + 8) + 8 * 2 + 2 + 9,
      { logits: [2], value: [1], advantages: [2], embedding: [8] },
    ],
    [
      'policy-mlp',
      { hidden: [5], value: 'none' },
      actingContext(grid),
      400 * 5 + 5 + 5 * 2 + 2,
      { logits: [2], embedding: [5] },
    ],
    // MinAtar's: 3 x 3 x C x 16, 1024 x 128 and the actions.
    [
      'policy-cnn',
      { value: 'none' },
      actingContext(grid, discrete(6)),
      9 * 4 * 16 + 16 + 1024 * 128 + 128 + 128 * 6 + 6,
      { logits: [6], embedding: [128], featureMap: [8, 8, 16] },
    ],
    [
      'policy-cnn',
      { filters: [3, 2], hidden: [7], value: 'separate' },
      actingContext([7, 6, 2], torque),
      2 * (9 * 2 * 3 + 3 + 9 * 3 * 2 + 2 + 3 * 2 * 2 * 7 + 7) + 8 + 8,
      { mean: [1], value: [1], embedding: [7], featureMap: [3, 2, 2] },
    ],
    [
      'policy-cnn',
      { dueling: true, hidden: [7] },
      actingContext(grid),
      9 * 4 * 16 + 16 + 1024 * 7 + 7 + 7 * 2 + 2 + 8,
      { logits: [2], value: [1], advantages: [2], embedding: [7], featureMap: [8, 8, 16] },
    ],
    [
      'policy-lstm',
      {},
      actingContext([4]),
      4 * 64 + 64 + 4 * (128 * 64 + 64) + 64 * 2 + 2 + 65,
      { logits: [2], value: [1], memory: [128], embedding: [64] },
    ],
    [
      'policy-lstm',
      { hidden: [6], units: 5, value: 'none' },
      actingContext(grid, torque),
      400 * 6 + 6 + 4 * (11 * 5 + 5) + 5 + 1,
      { mean: [1], memory: [10], embedding: [5] },
    ],
  ])(
    '%s %j offers what it says and has the parameters of the closed form',
    async (name, options, context, parameters, offers) => {
      const { shape } = context.environment!.observationSpace;
      const size = shape.reduce((a, b) => a * b);
      const student = await make(name, options, context);
      expect(student.parameters).toBe(parameters);
      expect(student.offers).toEqual(offers);
      const weights = Object.values(namedWeights(student.model).trainable);
      expect(weights.reduce((sum, weight) => sum + weight.size, 0)).toBe(parameters);
      // One multiplication for every value of a kernel, and of a convolution one for every place.
      const kernels = Object.entries(namedWeights(student.model).trainable).filter(([key]) => key.endsWith('/kernel'));
      if (name !== 'policy-cnn') expect(student.macs).toBe(kernels.reduce((sum, [, { size }]) => sum + size, 0));
      await expectNoLeak(() =>
        tf.tidy(() => {
          const state = tf.tensor(states(3, size).flat(), [3, ...shape]);
          const memory = 'memory' in offers ? tf.zeros([3, offers.memory[0]]) : undefined;
          const output = forward(student, { state, memory }, { training: false });
          expect(outputTensors(output).map((tensor) => tensor.shape)).toEqual(
            Object.values(offers).map((each) => [3, ...each]),
          );
        }),
      );
      student.model.dispose();
    },
  );

  it('begin orthogonal: hidden layers times √2, actions times 0.01, the value times 1, biases at 0', async () => {
    const student = await make('policy-mlp', {}, actingContext([4]));
    const { trainable } = namedWeights(student.model);
    const gains = { hidden_1: 2, hidden_2: 2, value_hidden_1: 2, value_hidden_2: 2, logits: 1e-4, value: 1 };
    for (const [layer, square] of Object.entries(gains)) {
      const kernel = trainable[`${layer}/kernel`] as tf.Tensor as tf.Tensor2D;
      const [rows, columns] = kernel.shape;
      const products = rows >= columns ? tf.matMul(kernel, kernel, true) : tf.matMul(kernel, kernel, false, true);
      await expectClose(products, await tf.eye(Math.min(rows, columns)).mul(square).data(), {
        absolute: 1e-5 * square,
      });
      await expectClose(trainable[`${layer}/bias`], new Float32Array(columns), { absolute: 0 });
    }
    student.model.dispose();
  });

  it('are dense layers with tanh, written out in float64, on normalized observations', async () => {
    const context = actingContext([3], torque);
    const student = await make('policy-mlp', { hidden: [5, 4] }, context);
    const [mean, variance] = [Float32Array.of(0.5, -1, 2), Float32Array.of(4, 0.25, 1)];
    setObservationMoments(student, { mean, variance });
    const { dense } = await float64(student);
    const batch = states(3, 3);
    const { mean: action, value } = forward(student, { state: tf.tensor2d(batch) }, { training: false });
    const normalized = batch.map((row) => row.map((x, i) => (x - mean[i]) / Math.sqrt(variance[i])));
    const run = (prefix: string, head: string, row: number[]) =>
      dense(head, dense(`${prefix}_2`, dense(`${prefix}_1`, row).map(Math.tanh)).map(Math.tanh));
    await expectClose(
      action!,
      normalized.flatMap((row) => run('hidden', 'mean', row)),
      { absolute: 1e-6 },
    );
    await expectClose(
      value!,
      normalized.flatMap((row) => run('value_hidden', 'value', row)),
    );
    student.model.dispose();
  });

  it('convolve without padding and read grids row by row', async () => {
    const student = await make('policy-cnn', { filters: [2], hidden: [3] }, actingContext([4, 5, 2]));
    const { weights, dense } = await float64(student);
    const [state] = states(1, 40);
    const { logits, value, featureMap } = forward(
      student,
      { state: tf.tensor(state, [1, 4, 5, 2]) },
      { training: false },
    );
    const [kernel, bias] = [weights['conv_1/kernel'], weights['conv_1/bias']];
    const map: number[] = [];
    for (let y = 0; y < 2; y++)
      for (let x = 0; x < 3; x++)
        for (let k = 0; k < 2; k++) {
          let sum = bias[k];
          for (let i = 0; i < 3; i++)
            for (let j = 0; j < 3; j++)
              for (let c = 0; c < 2; c++)
                sum += state[((y + i) * 5 + x + j) * 2 + c] * kernel[((i * 3 + j) * 2 + c) * 2 + k];
          map.push(Math.max(0, sum));
        }
    await expectClose(featureMap!, map);
    const hidden = dense('hidden_1', map).map((x) => Math.max(0, x));
    await expectClose(logits!, dense('logits', hidden), { absolute: 1e-6 });
    await expectClose(value!, dense('value', hidden));
    student.model.dispose();
  });

  it('that duel give the value plus centered advantages', async () => {
    const student = await make('policy-mlp', { dueling: true, hidden: [6] }, actingContext([4], discrete(3)));
    const { dense } = await float64(student);
    const batch = states(2, 4);
    const { logits, value, advantages } = forward(student, { state: tf.tensor2d(batch) }, { training: false });
    const expected = batch.map((row) => {
      const raw = dense('raw_advantages', dense('hidden_1', row).map(Math.tanh));
      const mean = raw.reduce((a, b) => a + b) / 3;
      const [own] = dense('value', dense('value_hidden_1', row).map(Math.tanh));
      return { own, advantages: raw.map((a) => a - mean), logits: raw.map((a) => own + a - mean) };
    });
    await expectClose(
      value!,
      expected.map(({ own }) => own),
    );
    await expectClose(
      advantages!,
      expected.flatMap((each) => each.advantages),
      { absolute: 1e-6 },
    );
    await expectClose(
      logits!,
      expected.flatMap((each) => each.logits),
    );
    expect(Object.keys(namedWeights(student.model).frozen).sort()).toEqual([
      'advantages/kernel',
      'normalize/beta',
      'normalize/gamma',
      'normalize/moving_mean',
      'normalize/moving_variance',
    ]);
    student.model.dispose();
  });

  it('remember by the equations of an LSTM, whose gradients over three steps are those of finite differences', async () => {
    const units = 3;
    const student = await make('policy-lstm', { hidden: [4], units }, actingContext([2]));
    const { trainable } = namedWeights(student.model);
    const weights = await Promise.all(Object.values(trainable).map(async (each) => Array.from(await each.data())));
    const keys = Object.keys(trainable);
    // Off its tidy start, so that every gate matters.
    weights.forEach((values, w) => values.forEach((_, i) => (values[i] += 0.4 * Math.sin(1 + 7 * w + 3 * i))));
    tf.tidy(() => keys.forEach((key, w) => trainable[key].assign(tf.tensor(weights[w], trainable[key].shape))));
    const steps = [
      states(2, 2),
      states(2, 2).reverse(),
      [
        [0.3, -1],
        [2, 0.5],
      ],
    ];
    const start = states(2, 2 * units);

    const run = (values: number[][]) => {
      const named = Object.fromEntries(keys.map((key, w) => [key, values[w]]));
      const dense = denseOf(named);
      const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
      let loss = 0;
      const memories = start.map((row) => row.slice());
      for (const batch of steps) {
        for (const [b, state] of batch.entries()) {
          const [h, c] = [memories[b].slice(0, units), memories[b].slice(units)];
          const x = [...dense('hidden_1', state).map(Math.tanh), ...h];
          const gate = (name: string) => dense(`lstm_${name}`, x);
          const [i, f, o] = ['input_gate', 'forget_gate', 'output_gate'].map((name) => gate(name).map(sigmoid));
          const g = gate('candidate').map(Math.tanh);
          const nextC = c.map((value, u) => f[u] * value + i[u] * g[u]);
          const nextH = nextC.map((value, u) => o[u] * Math.tanh(value));
          memories[b] = [...nextH, ...nextC];
          loss += dense('logits', nextH).reduce((sum, z, k) => sum + (k + 1) * z, 0) + dense('value', nextH)[0] ** 2;
        }
      }
      return { loss, memories };
    };
    const unrolled = () => {
      let memory = tf.tensor2d(start);
      let loss = tf.scalar(0);
      for (const batch of steps) {
        const output = forward(student, { state: tf.tensor2d(batch), memory }, { training: false });
        memory = output.memory!;
        loss = loss.add(output.logits!.mul(tf.tensor1d([1, 2])).sum()).add(output.value!.square().sum());
      }
      return { loss, memory };
    };
    await expectClose(unrolled().memory, run(weights).memories.flat());
    const { value, grads } = tf.variableGrads(() => unrolled().loss, Object.values(trainable));
    await expectClose(value, [run(weights).loss]);
    for (const [w, key] of keys.entries()) {
      const expected = weights[w].map((_, i) => {
        const at = (delta: number) =>
          run(weights.map((values, v) => (v === w ? values.map((x, j) => (j === i ? x + delta : x)) : values))).loss;
        return (at(1e-5) - at(-1e-5)) / 2e-5;
      });
      await expectClose(grads[trainable[key].name], expected, { absolute: 1e-4, relative: 1e-3 });
    }
    student.model.dispose();
  });

  it.each<[Name, object, number[]]>([
    ['policy-mlp', { dueling: true, hidden: [8] }, [4]],
    ['policy-cnn', { hidden: [8], value: 'separate' }, grid],
    ['policy-lstm', { hidden: [8], units: 6 }, [4]],
  ])('%s %j learns with all its weights, and nothing is left behind', async (name, options, shape) => {
    const student = await make(name, options, actingContext(shape));
    const { trainable } = namedWeights(student.model);
    const size = shape.reduce((a, b) => a * b);
    const inputs = { state: tf.tensor(states(2, size).flat(), [2, ...shape]), memory: tf.tensor2d(states(2, 12)) };
    await expectNoLeak(() =>
      tf.tidy(() => {
        const { grads } = tf.variableGrads(() => {
          const { logits, value } = forward(student, inputs, { training: false });
          return logits!
            .mul(tf.tensor1d([1, 2]))
            .sum()
            .add(value!.sum()) as tf.Scalar;
        }, Object.values(trainable));
        for (const [key, { name }] of Object.entries(trainable)) {
          expect([key, grads[name].abs().max().dataSync()[0] > 0]).toEqual([key, true]);
        }
      }),
    );
    tf.dispose(inputs);
    student.model.dispose();
  });

  it('act by a compiled step, which sees moments that are set between its calls', async () => {
    const student = await make('policy-lstm', { hidden: [5], units: 3 }, actingContext([4]));
    const { trainable, frozen } = namedWeights(student.model);
    const act = compile(
      (inputs: { state: tf.Tensor; memory: tf.Tensor }) => {
        const { logits, memory } = forward(student, inputs, { training: false });
        return { logits: logits!, memory: memory! };
      },
      { variables: { ...trainable, ...frozen }, verifyReplay: 1 },
    );
    let memory: tf.Tensor = tf.zeros([2, 6]);
    for (let step = 0; step < 4; step++) {
      const moments = { mean: new Float32Array(4).fill(step), variance: new Float32Array(4).fill(step + 1) };
      if (step > 1) setObservationMoments(student, moments);
      const state = tf.tensor2d(states(2, 4).map((row) => row.map((x) => x + step)));
      const plain = forward(student, { state, memory }, { training: false });
      const compiled = act({ state, memory });
      await expectClose(compiled.logits, plain.logits!, { absolute: 1e-6 });
      await expectClose(compiled.memory, plain.memory!);
      ({ memory } = compiled);
    }
    student.model.dispose();
  });

  it('start with a forget gate that is open', async () => {
    const { model } = await make('policy-lstm', { units: 3 }, actingContext([4]));
    const { trainable } = namedWeights(model);
    const bias = (gate: string) => trainable[`lstm_${gate}/bias`];
    await expectClose(bias('forget_gate'), [1, 1, 1], { absolute: 0, relative: 0 });
    for (const gate of ['input_gate', 'candidate', 'output_gate']) await expectClose(bias(gate), [0, 0, 0]);
    model.dispose();
  });

  it.each<[Name, object, number[]]>([
    ['policy-mlp', { dueling: true, hidden: [8] }, [4]],
    ['policy-cnn', { hidden: [8] }, grid],
    ['policy-lstm', { hidden: [8], units: 6 }, grid],
  ])('%s is saved and read by plain tfjs, the same to the last bit', async (name, options, shape) => {
    const folder = mkdtempSync(join(tmpdir(), 'retort-policy-'));
    const student = await make(name, options, actingContext(shape));
    const size = shape.reduce((a, b) => a * b);
    const moments = { mean: new Float32Array(size).fill(0.25), variance: new Float32Array(size).fill(2) };
    expect(setObservationMoments(student, moments)).toBe(name !== 'policy-cnn');
    await saveLayersModel(student.model, folder);
    const { model } = await loadLayersModel(join(folder, 'model.json'));
    const inputs = {
      state: tf.tensor(states(2, size).flat(), [2, ...shape]),
      ...(name === 'policy-lstm' && { memory: tf.tensor2d(states(2, 12)) }),
    };
    const expected = outputTensors(forward(student, inputs, { training: false }));
    const plain = model.predict(Object.values(inputs)) as tf.Tensor[];
    for (const actual of [plain, outputTensors(forward({ ...student, model }, inputs, { training: false }))]) {
      expect(actual.length).toBe(expected.length);
      for (const [i, tensor] of actual.entries()) {
        await expectClose(tensor, expected[i], { absolute: 0, relative: 0 });
      }
    }
    const keys = (of: tf.LayersModel) => Object.values(namedWeights(of)).map((group) => Object.keys(group as object));
    expect(keys(model)).toEqual(keys(student.model));
    for (const each of [student.model, model]) each.dispose();
    rmSync(folder, { recursive: true });
  });

  if (backend === 'cpu') {
    it('follow from the seed', async () => {
      const values = async (seed: number) => {
        const { model } = await make('policy-cnn', { hidden: [4] }, actingContext(grid, two, seed));
        return Object.values(namedWeights(model).trainable).map((each) => Array.from(each.dataSync()));
      };
      expect(await values(1)).toEqual(await values(1));
      expect(await values(1)).not.toEqual(await values(2));
    });

    it.each<Name>(['policy-mlp', 'policy-cnn', 'policy-lstm'])('%s is refused on a data set', async (name) => {
      expect(await failure(name, {}, studentContext())).toMatch(
        new RegExp(`^${name} acts in environments; this run has a data set\n.*small-cnn.*\n {2}student$`),
      );
    });

    it('are refused where they do not fit', async () => {
      expect(await failure('policy-cnn', {}, actingContext([4]))).toMatch(
        /^policy-cnn looks at grids of at least 3 x 3 cells; this environment shows \[4\]\n.*policy-mlp/,
      );
      expect(await failure('policy-cnn', { filters: [4, 4] }, actingContext([4, 9, 1]))).toContain('at least 5 x 5');
      expect(await failure('policy-mlp', { dueling: true }, actingContext([4], torque))).toContain('not discrete');
      expect(await failure('policy-mlp', { dueling: true, value: 'none' }, actingContext([4]))).toContain(
        'dueling needs a value',
      );
    });
  }
});

/** Dense layers in float64: x W + b by the layer's name. */
function denseOf(weights: Record<string, ArrayLike<number>>) {
  return (name: string, x: number[]): number[] => {
    const [kernel, bias] = [weights[`${name}/kernel`], weights[`${name}/bias`]];
    return Array.from(bias, (b, k) => x.reduce((sum, value, i) => sum + value * kernel[i * bias.length + k], b));
  };
}

async function float64({ model }: Student) {
  const { trainable } = namedWeights(model);
  const weights: Record<string, ArrayLike<number>> = {};
  for (const [key, variable] of Object.entries(trainable)) weights[key] = await variable.data();
  return { weights, dense: denseOf(weights) };
}
