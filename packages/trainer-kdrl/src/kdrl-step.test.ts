import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeSafetensors, discrete, Random, Registry, resolvePart, Seeds } from '@retort/core';
import { loadLayersModel, saveLayersModel, toTensor } from '@retort/nn';
import { numericalGradient } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { loadClusters } from './cluster-file.js';
import { saveStageOne } from './stage-one-file.js';
import { plugins, runQuietly, tinyManifest } from './test-support/compose.js';
import { dot, normals, rowsOf, unit } from './test-support/planted.js';
import { part } from './test-support/setup.js';

const home = mkdtempSync(join(tmpdir(), 'retort-kdrl-step-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

const [B, C, E, F, D] = [12, 3, 4, 12, 8];
const seed = 5;
const dataset = { use: 'scenes', classes: C, size: 16, train: B, test: 3, batchSize: B, validation: 0 };
const [lambda, auxWeight, deviation, T] = [0.3, 0.5, 0.4, 2];

/** A planted student: pixels averaged over 2 × 2 places, an embedding, logits; and the head of its tap. */
const shapes: Record<string, number[]> = {
  'student/encoder/kernel': [F, E],
  'student/encoder/bias': [E],
  'student/classifier/kernel': [E, C],
  'student/classifier/bias': [C],
  'aux/embedding/gamma': [E],
  'aux/embedding/beta': [E],
  'aux/embedding/kernel': [E, D],
  'aux/embedding/bias': [D],
};
type Parameters = Record<string, number[]>;
const random = new Random([31, 4]);
const planted: Parameters = Object.fromEntries(
  Object.entries(shapes).map(([key, shape]) => [
    key,
    normals(
      shape.reduce((a, b) => a * b),
      random,
    ).map(Math.fround),
  ]),
);

const teacher = join(home, 'teacher');
const student = join(home, 'student');
const stage1 = join(home, 'stage1');

const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
const softmax = (logits: number[]) => {
  const exps = logits.map((value) => Math.exp(value - Math.max(...logits)));
  return exps.map((each) => each / sum(exps));
};
const dense = (x: number[], kernel: number[], bias: number[]) =>
  bias.map((b, j) => sum(x.map((value, i) => value * kernel[i * bias.length + j])) + b);

/** Logits and the unit feature of the tap, for an image's 12 averages. */
function student64(x: number[], of: Parameters): { logits: number[]; feature: number[] } {
  const z = dense(x, of['student/encoder/kernel'], of['student/encoder/bias']);
  const mean = sum(z) / E;
  const scale = Math.sqrt(sum(z.map((value) => (value - mean) ** 2)) / E + 1e-5);
  const normalized = z.map((v, i) => ((v - mean) / scale) * of['aux/embedding/gamma'][i] + of['aux/embedding/beta'][i]);
  return {
    logits: dense(z, of['student/classifier/kernel'], of['student/classifier/bias']),
    feature: unit(dense(normalized, of['aux/embedding/kernel'], of['aux/embedding/bias'])),
  };
}

beforeAll(async () => {
  await runQuietly(tinyManifest(teacher, { dataset: { ...dataset, train: 90, validation: 0.1 } }));
  const image = tf.input({ shape: [16, 16, 3], name: 'image' });
  const pool = tf.layers.averagePooling2d({ poolSize: 8, strides: 8, name: 'pool' }).apply(image);
  const flat = tf.layers.flatten({ name: 'flat' }).apply(pool);
  const encoder = tf.layers.dense({ units: E, name: 'encoder' }).apply(flat);
  const classifier = tf.layers.dense({ units: C, name: 'classifier' }).apply(encoder) as tf.SymbolicTensor;
  const model = tf.model({ inputs: image, outputs: classifier });
  await saveLayersModel(model, student);
  model.dispose();
  const variables = Object.fromEntries(
    Object.entries(planted).map(([key, values]) => [key, tf.variable(tf.tensor(values, shapes[key]))]),
  );
  mkdirSync(stage1);
  await saveStageOne(`${stage1}/stage1.safetensors`, variables);
  tf.dispose(variables);
}, 120_000);

it.each(['confidence', 'cluster-cosine'])(
  'a step of stage 2 with %s descends λ L1 + (1 − λ) L_RL, the decisions held fixed',
  async (reward) => {
    const folder = join(home, reward);
    await runQuietly(
      tinyManifest(folder, {
        seed,
        dataset,
        teachers: [{ id: 'large', use: 'run', path: teacher }],
        student: {
          ...{ use: 'layers-model', path: `${student}/model.json` },
          taps: { embedding: 'encoder', featureMap: 'pool' },
        },
        losses: [
          { id: 'task', use: 'cross-entropy', weight: 0.8 },
          { id: 'kd', use: 'kd', temperature: T },
        ],
        trainer: { from: stage1, aux: { taps: ['embedding'], weight: auxWeight } },
        stage1: { epochs: 0 },
        stage2: {
          epochs: 1,
          rewards: [{ use: reward, weight: 0.7 }],
          standardize: 'none',
          deviation,
          anneal: { from: lambda, to: lambda },
          optimizer: { use: 'sgd', learningRate: 1, momentum: 0 },
          schedule: 'constant',
        },
      }),
    );

    // What the step was given: images, labels, what the teacher says of them, clusters and random numbers.
    const registry = plugins.reduce((all, plugin) => all.use(plugin), new Registry());
    const scope = registry.createScope();
    const data = await scope.create(resolvePart(registry, 'dataset', dataset), {
      ...{ scope, seeds: new Seeds(seed).within('dataset'), baseFolder: home, path: 'dataset' },
    });
    const batch = await data.batch({ split: 'train', epoch: 0, step: 0 });
    const label = Array.from(batch.targets.label!.data);
    const pixels = toTensor(batch.inputs.image!) as tf.Tensor4D;
    const averages = rowsOf(Array.from(await tf.avgPool(pixels, 8, 8, 'valid').data()), F);
    const { model, metadata } = await loadLayersModel(join(teacher, 'student/best/model.json'));
    const said = model.predict(pixels) as tf.Tensor[];
    const saidOf = async (name: string) => {
      const tensor = said[(metadata.outputs as string[]).indexOf(name)];
      return rowsOf(Array.from(await tensor.data()), tensor.shape[1]!);
    };
    const [teacherLogits, embedding] = [await saidOf('logits'), (await saidOf('embedding')).map(unit)];
    const clusters = await loadClusters(join(folder, 'clusters.safetensors'));
    const centers = rowsOf(Array.from(clusters.centers.data), D);
    // All samples are in the one batch, in whose order the teacher was asked.
    const own = Array.from(clusters.assignment, (k) => centers[k]);
    const drawn = (name: string, shape: number[], from: 'uniform' | 'normal') =>
      new Seeds(seed).at(`decision/${name}`, 0, 0).fill(new Float32Array(shape[0] * shape[1]), from);

    const before = averages.map((x) => student64(x, planted));
    const categorical = await part('distribution', 'categorical', { space: discrete(C), path: 'test' });
    const uniform = tf.tensor2d(drawn('class/uniform', [B, C], 'uniform'), [B, C]);
    const classes = Array.from(
      await categorical.sample(tf.tensor2d(before.map(({ logits }) => logits)), { uniform }).data(),
    );
    const noise = rowsOf(drawn('feature/0', [B, D], 'normal'), D);
    const sigma = deviation / Math.sqrt(D);
    const features = before.map(({ feature }, i) => feature.map((value, d) => value + sigma * noise[i][d]));
    const advantage = before.map(({ logits, feature }, i) => {
      const p = softmax(logits);
      return reward === 'confidence'
        ? 0.7 * (p[classes[i]] - Math.max(...p))
        : 0.7 * (dot(unit(features[i]), own[i]) - dot(feature, own[i]));
    });
    expect(advantage.some((each) => Math.abs(each) > 0.01)).toBe(true);

    const loss = (of: Parameters) => {
      const rows = averages.map((x, i) => {
        const { logits, feature } = student64(x, of);
        const [p, soft, aim] = [
          softmax(logits),
          softmax(logits.map((s) => s / T)),
          softmax(teacherLogits[i].map((s) => s / T)),
        ];
        const kd = T * T * sum(aim.map((a, c) => a * (Math.log(a) - Math.log(soft[c]))));
        const first = -0.8 * Math.log(p[label[i]]) + kd + auxWeight * (1 - dot(feature, embedding[i]));
        const logProbability =
          reward === 'confidence'
            ? Math.log(p[classes[i]])
            : -sum(features[i].map((u, d) => (u - feature[d]) ** 2)) / (2 * sigma ** 2);
        return lambda * first - (1 - lambda) * advantage[i] * logProbability;
      });
      return sum(rows) / B;
    };

    const { tensors } = decodeSafetensors(readFileSync(join(folder, 'checkpoints/000000001/tensors.safetensors')));
    for (const [key, values] of Object.entries(planted)) {
      const gradient = numericalGradient((changed) => loss({ ...planted, [key]: changed }), values, 1e-5);
      const after = Object.entries(tensors).find(([name]) => name.endsWith(`parameters/${key}`))![1].data;
      gradient.forEach((each, i) => {
        expect(Math.abs(values[i] - after[i] - each)).toBeLessThan(5e-5 + 1e-3 * Math.abs(each));
      });
      expect(Math.max(...gradient.map(Math.abs))).toBeGreaterThan(0.003);
    }
    tf.dispose([pixels, said, uniform]);
    model.dispose();
    await scope.dispose();
  },
  120_000,
);
