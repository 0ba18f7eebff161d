import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Batch, type Dataset, Registry, resolvePart, type RunEvent, Seeds } from '@retort/core';
import { loadLayersModel, toTensor } from '@retort/nn';
import { held } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { plugins, runQuietly } from './test-support/compose.js';
import { dot, rowsOf, unit } from './test-support/planted.js';

const home = mkdtempSync(join(tmpdir(), 'retort-kdrl-clip-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

const small = { width: 16, depth: 2, heads: 2, textWidth: 16, textDepth: 1, textHeads: 2, embedding: 12, patchSize: 8 };
const large = { ...small, width: 24, depth: 4, textWidth: 24, embedding: 20 };
const common = { size: 24, train: 58, test: 20, batchSize: 16, validation: 0.15 };

/** Retrieval has five captions of an image in validation and test, so that boxes cannot be asked for then. */
const tasks = {
  'zero-shot': {
    dataset: { use: 'scenes', classes: 3, tokenizer: 'words', prompts: ['a {}.', 'one of a {}'], ...common },
    task: [{ id: 'task', use: 'cross-entropy' }],
    metrics: ['top-1', 'entropy', 'calibration-error'],
    select: 'top-1',
    boxHead: false,
  },
  retrieval: {
    dataset: { use: 'captioned-scenes', ...common },
    task: [{ id: 'task', use: 'info-nce' }],
    metrics: ['retrieval'],
    select: 'mean-recall',
    boxHead: true,
  },
  grounding: {
    dataset: { use: 'captioned-scenes', task: 'grounding', ...common },
    task: [
      { id: 'task', use: 'info-nce' },
      { id: 'box', use: 'box' },
    ],
    metrics: ['grounding', 'retrieval'],
    select: 'mean-iou',
    boxHead: true,
  },
};
type Task = keyof typeof tasks;

function manifestOf(name: Task, folder: string, student: object, trainer: object, sections: object = {}) {
  const { dataset, task, metrics, select, boxHead } = tasks[name];
  return {
    name,
    backend: 'wasm',
    dataset,
    student: { use: 'clip', ...student, boxHead },
    trainer: { use: 'kdrl', select, ...trainer },
    losses: task,
    metrics,
    ...sections,
    run: { folder, logEvery: 1, verifyReplay: 3 },
  };
}

/** The data set of a task as a run has it. */
async function datasetOf(name: Task): Promise<Dataset> {
  const registry = plugins.reduce((all, plugin) => all.use(plugin), new Registry());
  const scope = registry.createScope();
  const reference = resolvePart(registry, 'dataset', tasks[name].dataset);
  return scope.create(reference, { scope, seeds: new Seeds(0).within('dataset'), baseFolder: home, path: 'dataset' });
}

/** What a saved student says, from its file alone. */
async function sayings(model: tf.LayersModel, image: Batch['inputs']['image'], tokens: Batch['inputs']['tokens']) {
  const names = ['imageEmbedding', 'textEmbedding', 'logitScale', 'boxes'];
  // Boxes of text i in image i need as many of both.
  const outputs = model.outputs.slice(0, image!.shape[0] === tokens!.shape[0] ? 4 : 3);
  const part = tf.model({ inputs: model.inputs, outputs });
  const given = part.inputNames.map((input) => toTensor(input === 'tokens' ? tokens! : image!));
  const found = part.apply(given, { training: false }) as tf.Tensor[];
  const rows = await Promise.all(
    found.map(async (each) => rowsOf(Array.from(await each.data()), each.rank === 0 ? 1 : each.shape[1]!)),
  );
  tf.dispose([given, found]);
  return Object.fromEntries(rows.map((each, i) => [names[i], each])) as Record<string, number[][]>;
}

const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const indexOfGreatest = (values: number[]) => values.indexOf(Math.max(...values));

/** Some of the metrics of a student, written out. */
const written: Record<Task, (model: tf.LayersModel, dataset: Dataset, batches: Batch[]) => Promise<object>> = {
  'zero-shot': async (model, dataset, batches) => {
    const right: number[] = [];
    for (const { inputs, targets } of batches) {
      const { tokenizer, prompts } = dataset.text!;
      const classes: number[][] = [];
      let images: number[][] = [];
      for (const texts of prompts) {
        const { imageEmbedding, textEmbedding } = await sayings(model, inputs.image, tokenizer.encode(texts));
        images = imageEmbedding.map(unit);
        const own = textEmbedding.map(unit);
        classes.push(unit(own[0].map((_, d) => mean(own.map((row) => row[d])))));
      }
      images.forEach((row, i) =>
        right.push(Number(indexOfGreatest(classes.map((each) => dot(row, each))) === targets.label!.data[i])),
      );
    }
    return { 'top-1': mean(right) };
  },
  retrieval: async (model, _, batches) => {
    const [images, texts, owners]: [number[][], number[][], number[]] = [[], [], []];
    for (const { inputs, targets } of batches) {
      const { imageEmbedding, textEmbedding } = await sayings(model, inputs.image, inputs.tokens);
      owners.push(...Array.from(targets.imageOfText!.data, (owner) => owner + images.length));
      images.push(...imageEmbedding.map(unit));
      texts.push(...textEmbedding.map(unit));
    }
    expect(texts).toHaveLength(5 * images.length);
    const nearestText = images.map((image) => indexOfGreatest(texts.map((text) => dot(image, text))));
    const nearestImage = texts.map((text) => indexOfGreatest(images.map((image) => dot(image, text))));
    return {
      'image-to-text/R@1': mean(nearestText.map((text, i) => Number(owners[text] === i))),
      'text-to-image/R@1': mean(nearestImage.map((image, t) => Number(owners[t] === image))),
    };
  },
  grounding: async (model, _, batches) => {
    const ratios: number[] = [];
    for (const { inputs, targets } of batches) {
      const { boxes } = await sayings(model, inputs.image, inputs.tokens);
      rowsOf(Array.from(targets.box!.data), 4).forEach((b, i) => {
        const a = boxes[i];
        const side = (k: number) => Math.max(0, Math.min(a[k + 2], b[k + 2]) - Math.max(a[k], b[k]));
        const area = (box: number[]) => (box[2] - box[0]) * (box[3] - box[1]);
        const shared = side(0) * side(1);
        ratios.push(shared / (area(a) + area(b) - shared));
      });
    }
    return { 'mean-iou': mean(ratios) };
  },
};

describe.each(Object.keys(tasks) as Task[])('a student of two encoders, %s', (name) => {
  const teacher = join(home, `${name} teacher`);
  const folder = join(home, name);
  const branch = (stage2: object, more: object = {}) =>
    runQuietly(
      manifestOf(
        name,
        folder,
        small,
        { from: join(home, `${name} stage 1`), stage1: { epochs: 0 }, stage2: { epochs: 1, ...stage2 }, ...more },
        { teachers: [{ id: 'large', use: 'run', path: teacher }] },
      ),
    );

  beforeAll(async () => {
    await runQuietly(manifestOf(name, teacher, large, { stage1: { epochs: 2 }, stage2: { epochs: 0 } }));
  }, 120_000);

  it('learns in stage 1 from a larger one', async () => {
    const stage1 = join(home, `${name} stage 1`);
    const { events } = await runQuietly(
      manifestOf(
        name,
        stage1,
        small,
        { stage1: { epochs: 1 }, stage2: { epochs: 0 } },
        {
          teachers: [{ id: 'large', use: 'run', path: teacher }],
          losses: [...tasks[name].task, { id: 'kd', use: 'kd', temperature: 1 }],
        },
      ),
    );
    const steps = events.filter(({ type }) => type === 'step') as Extract<RunEvent, { type: 'step' }>[];
    expect(steps[0].values).toMatchObject({ 'loss/kd': expect.any(Number) as number, stage: 1 });
    expect(existsSync(join(stage1, 'stage1.safetensors'))).toBe(true);
  }, 120_000);

  it('goes through stage 2 with every reward of the score gradient, and is evaluated as its file says', async () => {
    const rewards = [
      ...['confidence', 'correct-gated', 'teacher-probability'],
      ...['cluster-cosine', 'cluster-negative-l2', 'cluster-soft-assignment', 'cluster-nearest'],
    ];
    const { results, events } = await branch({ rewards, algorithm: 'ppo' }, { centers: { clusters: 4 } });
    const last = events.findLast(({ type }) => type === 'step') as Extract<RunEvent, { type: 'step' }>;
    for (const reward of rewards) expect(last.values[`reward/${reward}`]).toBeDefined();

    const dataset = await datasetOf(name);
    const batches = [0, 1].map((step) => dataset.batch({ split: 'test', epoch: 0, step }));
    const { model } = await loadLayersModel(join(folder, 'student/last/model.json'));
    for (const [metric, expected] of Object.entries(await written[name](model, dataset, await Promise.all(batches)))) {
      expect(results.last[`test/${metric}`]).toBeCloseTo(expected as number, 5);
    }
    model.dispose();
  }, 120_000);

  it('goes through stage 2 with every reward that has a derivative', async () => {
    const rewards = ['negative-entropy', 'sharpening', 'confidence', 'cluster-cosine', 'cluster-soft-assignment'];
    const before = held();
    const { status } = await branch({ rewards, gradient: 'pathwise' }, { centers: { clusters: 4 } });
    expect(status).toBe('finished');
    expect(held()).toEqual(before);
  }, 120_000);
});
