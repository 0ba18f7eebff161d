import { type BatchTensors, type Head, type NetworkOutput, Random, type StepTools } from '@retort/core';
import { describeEachBackend, expectClose, held, numericalGradient } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { crossEntropy } from './distillation-view.js';
import { createMetaGradient } from './meta-gradient.js';
import { batchArguments, group, mapValues } from '@retort/nn';
import { createStepTools } from './step-tools.js';
import { bitsOf, madeUpBatch, networkParts } from './test-support/network-parts.js';
import { createWeightNets, type WeightNets } from './weight-nets.js';

type Matrix = number[][];
type Weights = Record<Head, Matrix>;

const [B, N, D, K, C, M, T] = [5, 6, 4, 3, 3, 2, 2];
const heads: Head[] = ['logit', 'feature'];
const rates = { momentum: 0.9, weightDecay: 0.01 };
const learningRate = 0.3;

const random = new Random([11, 5]);
const matrix = (rows: number, columns: number, scale: number): Matrix =>
  Array.from({ length: rows }, () => Array.from({ length: columns }, () => Math.fround(scale * random.normal())));

/** A student of two linear layers, features f = xV and logits fU, with velocities; two teachers; one batch. */
const problem = {
  x: matrix(B, D, 0.8),
  label: Array.from({ length: B }, (_, i) => i % C),
  theta: { V: matrix(D, K, 0.6), U: matrix(K, C, 0.6) },
  velocity: { V: matrix(D, K, 0.1), U: matrix(K, C, 0.1) },
  teachers: Array.from({ length: M }, () => ({ logits: matrix(B, C, 1.5), features: matrix(B, K, 0.8) })),
};

const transpose = (a: Matrix): Matrix => a[0].map((_, j) => a.map((row) => row[j]));
const product = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => b[0].map((_, j) => row.reduce((sum, v, k) => sum + v * b[k][j], 0)));
const softmax = (z: number[]) => {
  const exps = z.map((v) => Math.exp(v - Math.max(...z)));
  return exps.map((e) => e / exps.reduce((a, b) => a + b));
};
const softened = (z: number[]) => softmax(z.map((v) => v / T));

/** In float64, written out: the networks' weights, the three trial steps with hand-made gradients, the meta loss. */
function unroll(phi: Record<string, Matrix>, held?: Weights[]): { loss: number; seen: Weights[] } {
  const { x, label, teachers } = problem;
  let theta = problem.theta;
  let velocity = problem.velocity;
  const forwardOf = ({ V, U }: typeof theta) => {
    const f = product(x, V);
    return { f, z: product(f, U) };
  };
  const look = ({ f, z }: { f: Matrix; z: Matrix }): Weights => {
    const gram = (rows: Matrix) =>
      product(rows, transpose(rows)).map((row) => [...row, ...new Array<number>(N - B).fill(0)]);
    const grams = [...teachers.map(({ features }) => gram(features)), gram(f)];
    return {
      logit: z.map((row, i) => [...teachers.flatMap(({ logits }) => logits[i]), ...row]),
      feature: z.map((_, i) => grams.flatMap((each) => each[i])),
    };
  };
  const weightsOf = (head: Head, seen: Matrix): Matrix => {
    const dense = (rows: Matrix, layer: string) =>
      product(rows, phi[`${head}/${layer}/kernel`]).map((row) =>
        row.map((v, j) => v + phi[`${head}/${layer}/bias`][0][j]),
      );
    return dense(
      dense(seen, 'hidden').map((row) => row.map((v) => Math.max(0, v))),
      'output',
    ).map(softmax);
  };
  const step = (dz: Matrix, df: Matrix) => {
    const { f } = forwardOf(theta);
    const byFeature = product(dz, transpose(theta.U)).map((row, i) => row.map((v, k) => v + df[i][k]));
    const gradient = { V: product(transpose(x), byFeature), U: product(transpose(f), dz) };
    const moved = (key: 'V' | 'U') =>
      gradient[key].map((row, i) =>
        row.map((g, j) => rates.momentum * velocity[key][i][j] + g + rates.weightDecay * theta[key][i][j]),
      );
    velocity = { V: moved('V'), U: moved('U') };
    const next = (key: 'V' | 'U') =>
      theta[key].map((row, i) => row.map((v, j) => v - learningRate * velocity[key][i][j]));
    theta = { V: next('V'), U: next('U') };
  };
  const seen: Weights[] = [];
  for (let k = 0; k < 2; k++) {
    const { f, z } = forwardOf(theta);
    seen.push(held?.[k] ?? look({ f, z }));
    const [w, u] = heads.map((head) => weightsOf(head, seen[k][head]));
    step(
      z.map((row, i) => {
        const s = softened(row);
        return s.map((v, c) =>
          teachers.reduce((sum, { logits }, m) => sum + (w[i][m] * T * (v - softened(logits[i])[c])) / B, 0),
        );
      }),
      f.map((row, i) =>
        row.map((v, d) =>
          teachers.reduce((sum, { features }, m) => sum + (u[i][m] * 2 * (v - features[i][d])) / K / B, 0),
        ),
      ),
    );
  }
  const taskGradient = forwardOf(theta).z.map((row, i) =>
    softmax(row).map((p, c) => (p - (c === label[i] ? 1 : 0)) / B),
  );
  step(
    taskGradient,
    problem.x.map(() => new Array<number>(K).fill(0)),
  );
  const loss = forwardOf(theta).z.reduce((sum, row, i) => sum - Math.log(softmax(row)[label[i]]) / B, 0);
  return { loss, seen };
}

/** The same student as tensors. */
function linearTools(): { tools: StepTools; batch: BatchTensors; teachers: NetworkOutput[] } {
  const variables = (values: typeof problem.theta) =>
    mapValues(values, (rows) => tf.tidy(() => tf.variable(tf.tensor2d(rows))));
  const parameters = variables(problem.theta);
  const velocities = variables(problem.velocity);
  const slots = Object.fromEntries(Object.entries(velocities).map(([key, value]) => [`${key}/velocity`, value]));
  const all = { ...parameters, ...group('optimizer/', slots) } as Record<string, tf.Variable>;
  const tools: StepTools = {
    parameters,
    slots,
    variables: all,
    snapshot() {
      const values = mapValues(all, (variable) => variable.clone());
      return {
        restore: () => Object.entries(values).forEach(([key, value]) => all[key].assign(value)),
        dispose: () => tf.dispose(values),
      };
    },
    noise: () => ({}),
    evaluate(batch, teachers) {
      const features = tf.matMul(batch.image!.reshape<tf.Tensor2D>([B, D]), parameters.V as tf.Tensor as tf.Tensor2D);
      const logits = tf.matMul(features, parameters.U as tf.Tensor as tf.Tensor2D);
      const student = { logits, featureMap: features.reshape<tf.Tensor4D>([B, 1, 1, K]) };
      const logLikelihood = tf.logSoftmax(logits.div<tf.Tensor2D>(T));
      const columns = (f: (teacher: NetworkOutput) => tf.Tensor) => tf.stack(teachers.map(f), 1) as tf.Tensor2D;
      return {
        byHead: {
          logit: columns(({ logits: z }) => {
            const log = tf.logSoftmax(z!.div<tf.Tensor2D>(T)) as tf.Tensor;
            return log
              .exp()
              .mul(log.sub(logLikelihood))
              .sum(1)
              .mul(T * T);
          }),
          feature: columns(({ featureMap }) => featureMap!.sub(student.featureMap).square().mean([1, 2, 3])),
        },
        crossEntropy: crossEntropy(logits as tf.Tensor2D, batch).mean() as tf.Scalar,
        view: { batch, student, teachers } as never,
      };
    },
  };
  return {
    tools,
    batch: {
      size: B,
      image: tf.tensor(problem.x).reshape([B, 1, 1, D]),
      label: tf.tensor1d(problem.label, 'int32'),
    },
    teachers: problem.teachers.map(({ logits, features }) => ({
      logits: tf.tensor2d(logits),
      featureMap: tf.tensor(features).reshape([B, 1, 1, K]),
    })),
  };
}

/** The networks' values by key, vectors as one row. */
async function valuesOf(nets: WeightNets): Promise<Record<string, Matrix>> {
  return Object.fromEntries(
    await Promise.all(
      Object.entries(nets.variables).map(async ([key, variable]) => {
        const value = (await variable.array()) as number[] | Matrix;
        return [key, (Array.isArray(value[0]) ? value : [value]) as Matrix] as const;
      }),
    ),
  );
}

/** Central differences of a function of the networks' values. */
function differences(
  phi: Record<string, Matrix>,
  f: (phi: Record<string, Matrix>) => number,
): Record<string, number[]> {
  return mapValues(phi, (value, key) => {
    const width = value[0].length;
    const rows = (flat: number[]) => value.map((_, i) => flat.slice(i * width, (i + 1) * width));
    return numericalGradient((flat) => f({ ...phi, [key]: rows(flat) }), value.flat(), 1e-5);
  });
}

const newNets = () =>
  createWeightNets({ heads, count: M, classes: C, batchSize: N, cosine: false }, new Random([2, 2]));

describeEachBackend('the meta gradient', () => {
  it('is the slope of the loss after three steps, written out in float64', async () => {
    const { tools, batch, teachers } = linearTools();
    const nets = newNets();
    const phi = await valuesOf(nets);
    const { loss: expectedLoss, seen } = unroll(phi);
    const expected = differences(phi, (moved) => unroll(moved, seen).loss);
    const largest = Math.max(...Object.values(expected).flat().map(Math.abs));
    const metaGradient = createMetaGradient(nets, tools, rates, M);
    for (const _ of ['recorded', 'replayed']) {
      const { gradients, loss } = metaGradient(batchArguments(batch, teachers), learningRate);
      await expectClose(loss, [expectedLoss]);
      for (const [key, values] of Object.entries(expected)) {
        await expectClose(gradients[key], values, { absolute: 0.001 * largest, relative: 0.002 });
      }
    }
    // Both heads are asked something: a gradient of zeros would pass for small enough ones.
    for (const head of heads) {
      expect(Math.max(...expected[`${head}/output/kernel`].map(Math.abs))).toBeGreaterThan(0.05 * largest);
    }
  });

  it('leaves a network, its averages and slots as they were, bit for bit, and no tensors', async () => {
    const { parts, dispose } = await networkParts({ weigh: () => ({ fused: {} }) });
    const tools = createStepTools(parts);
    const nets = createWeightNets({ heads, count: 2, classes: 3, batchSize: 6, cosine: true }, new Random([1, 1]));
    const { batch, teachers } = madeUpBatch(6, 4);
    const metaGradient = createMetaGradient(nets, tools, rates, 2);
    const before = await bitsOf({ ...tools.variables, ...group('nets/', nets.variables) });
    const samples = batchArguments(batch, teachers);
    const lesson = () => tf.dispose(metaGradient(samples, 0.05) as unknown as tf.TensorContainer);
    lesson();
    const counted = held();
    lesson();
    expect(held()).toEqual(counted);
    expect(await bitsOf({ ...tools.variables, ...group('nets/', nets.variables) })).toEqual(before);
    const { gradients } = metaGradient(samples, 0.05);
    for (const values of Object.values(await bitsOf(gradients))) expect(values.every(Number.isFinite)).toBe(true);
    await dispose();
  });
});

describe('what the networks are taken to see', () => {
  it('is held while the gradient is taken, as published; a slope that goes through it too is a near one', async () => {
    await tf.setBackend('cpu');
    const phi = await valuesOf(newNets());
    const { seen } = unroll(phi);
    const [heldFast, whole] = [seen, undefined].map((inputs) =>
      Object.values(differences(phi, (moved) => unroll(moved, inputs).loss)).flat(),
    );
    const dot = (a: number[], b: number[]) => a.reduce((sum, v, i) => sum + v * b[i], 0);
    const cosine = dot(heldFast, whole) / Math.sqrt(dot(heldFast, heldFast) * dot(whole, whole));
    expect(cosine).toBeGreaterThan(0.999);
    expect(cosine).toBeLessThan(1 - 1e-9);
  });
});
