import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Batch, batchesPerEpoch, createRegistry, InputError, type MetricValue } from '@retort/core';
import { loadLayersModel } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { evaluate, type EvalOptions } from './commands/eval.js';
import { createDataset, loadManifestOrRun } from './manifest-or-run.js';
import { plugins } from './plugins.js';
import type { Terminal } from './terminal.js';
import { retort as retortIn } from './test-support/retort.js';

let folder: string;
const at = (path: string) => join(folder, path);
const write = (file: string, text: string) => writeFileSync(at(file), text);
const retort = (...args: string[]) => retortIn(args, { cwd: folder });

const tiny = `name: tiny
dataset: { use: scenes, classes: 3, size: 16, train: 96, test: 30, batchSize: 16, validation: 0.2 }
student: { use: small-cnn, width: 4 }
trainer: { use: mtkd, epochs: 2, optimizer: { use: sgd, momentum: 0.9 }, weighting: none }
losses: [{ id: task, use: cross-entropy }]
metrics: [top-1, { use: calibration-error, bins: 5 }]
`;
const clip = `name: clip
dataset: { use: captioned-scenes, task: grounding, classes: 3, size: 24, train: 48, test: 20, batchSize: 16, validation: 0.2 }
student:
  { use: clip, width: 8, depth: 1, heads: 2, patchSize: 8, textWidth: 8, textDepth: 1, textHeads: 2, embedding: 6, boxHead: true }
trainer: { use: kdrl, stage1: { epochs: 1 }, stage2: { epochs: 0 }, select: mean-iou }
losses: [{ id: task, use: info-nce }, { id: box, use: box }]
metrics: [grounding]
`;
const teachers = `teachers:
  - { id: first, use: run, path: runs/tiny }
  - { id: dual, use: run, path: runs/clip }
  - { id: spoiled, use: noisy, of: { use: run, path: runs/tiny } }
`;

let trained: Record<'tiny' | 'clip', Record<'best' | 'last', Record<string, number>>>;
beforeAll(async () => {
  // Silences tfjs's advertisement for its node backend.
  tf.env().set('IS_TEST', true);
  await tf.setBackend('cpu');
  folder = mkdtempSync(join(tmpdir(), 'retort-eval-'));
  write('tiny.yaml', tiny);
  write('clip.yaml', clip);
  write('taught.yaml', tiny.replace('tiny', 'taught').concat(teachers));
  const train = async (manifest: string) => {
    const { code, stdout, stderr } = await retort('train', manifest, '--json');
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    return (JSON.parse(stdout) as { results: (typeof trained)['tiny'] }).results;
  };
  trained = { tiny: await train('tiny.yaml'), clip: await train('clip.yaml') };
  cpSync(at('runs/tiny/student/last'), at('loose'), { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Told {
  tasks: string[];
  images: number;
  texts?: number;
  values: Record<string, MetricValue>;
}

/** Calls the command in this process, as JSON. Paths start in the tests' folder. */
async function ask(path: string | undefined, options: Partial<EvalOptions> = {}): Promise<Told> {
  const printed: string[] = [];
  const terminal: Terminal = {
    quiet: true,
    json: true,
    print: (text) => void printed.push(text),
    note: () => undefined,
  };
  const given: EvalOptions = { split: 'test', set: [], backend: 'cpu', ...options };
  for (const key of ['data', 'teacher'] as const) if (given[key] !== undefined) given[key] = at(given[key]);
  expect(await evaluate(path === undefined ? undefined : at(path), given, terminal)).toBe(0);
  return JSON.parse(printed.join('')) as Told;
}

/** All batches of a split of a manifest's data set, and the data set. */
async function batchesOf(manifest: string, set: string[] = []) {
  const loaded = await loadManifestOrRun(at(manifest), set);
  const dataset = await createDataset(loaded, createRegistry(plugins).createScope());
  const batches: Batch[] = [];
  for (let step = 0; step < batchesPerEpoch(dataset, 'test'); step++) {
    batches.push(await dataset.batch({ split: 'test', epoch: 0, step }));
  }
  return { dataset, batches };
}

/** What a saved student gives, by output, row by row. */
async function answers(student: string, batches: { image: tf.Tensor; tokens?: tf.Tensor }[]) {
  const { model, metadata } = await loadLayersModel(at(`${student}/model.json`));
  const rows: Record<string, number[][]> = {};
  for (const inputs of batches) {
    const given = model.inputNames.map((name) => (name === 'tokens' ? inputs.tokens! : inputs.image));
    for (const [i, output] of [model.predict(given) as tf.Tensor[]].flat().entries()) {
      const name = (metadata.outputs as string[])[i];
      if (output.rank === 0) continue;
      rows[name] = [...(rows[name] ?? []), ...((await output.array()) as number[][])];
    }
  }
  return rows;
}

const imageTensor = ({ inputs }: Batch) =>
  tf.tensor4d(inputs.image!.data as Float32Array, inputs.image!.shape as never);
const labelsOf = (batches: Batch[]) => batches.flatMap(({ targets }) => [...targets.label!.data]);
const largest = (row: number[]) => row.indexOf(Math.max(...row));
const share = (values: boolean[]) => values.filter(Boolean).length / values.length;
const unit = (row: number[]) => row.map((value) => value / Math.hypot(...row));
const dot = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * b[i], 0);

describe('retort eval', () => {
  it('measures a student outside its run on the data set of a manifest, as its run did', async () => {
    const { tasks, images, values } = await ask('loose', { data: 'tiny.yaml' });
    expect({ tasks, images }).toEqual({ tasks: ['classification'], images: 30 });
    expect(Object.keys(values).sort()).toEqual(['calibration-error', 'nll', 'top-1']);
    for (const [name, value] of Object.entries(values)) expect(value).toBeCloseTo(trained.tiny.last[`test/${name}`], 4);
    const validation = await ask('loose', { data: 'runs/tiny', split: 'validation' });
    expect(validation.values['top-1']).toBe(trained.tiny.last['validation/top-1']);
  });

  it('takes the metrics that are asked for, those of the manifest with their options', async () => {
    const { values } = await ask('runs/tiny/student/last', { metrics: ['per-class-accuracy', 'calibration-error'] });
    expect(Object.keys(values)).toEqual([
      ...['mean-class-accuracy', 'per-class-accuracy', 'confusion'],
      ...['calibration-error', 'nll'],
    ]);
    expect(values['calibration-error']).toBeCloseTo(trained.tiny.last['test/calibration-error'], 4);
    const confusion = values.confusion as number[][];
    const right = confusion.reduce((sum, row, c) => sum + row[c], 0);
    expect(right / 30).toBeCloseTo(trained.tiny.last['test/top-1']);
  });

  it('knows classes by their names, in whatever order the student has them', async () => {
    cpSync(at('loose'), at('turned'), { recursive: true });
    const model = JSON.parse(readFileSync(at('loose/model.json'), 'utf8')) as {
      userDefinedMetadata: { classes: string[] };
    };
    const [first, ...others] = model.userDefinedMetadata.classes;
    const turned = [...others, first];
    model.userDefinedMetadata.classes = turned;
    write('turned/model.json', JSON.stringify(model));

    const { dataset, batches } = await batchesOf('tiny.yaml');
    const { logits } = await answers(
      'loose',
      batches.map((batch) => ({ image: imageTensor(batch) })),
    );
    const expected = share(labelsOf(batches).map((c, i) => turned[largest(logits[i])] === dataset.classes[c]));
    const { values } = await ask('turned', { data: 'tiny.yaml', metrics: ['top-1'] });
    expect(values['top-1']).toBeCloseTo(expected, 10);
    expect(values['top-1']).not.toBeCloseTo(trained.tiny.last['test/top-1'], 3);
  });

  it('classifies zero-shot with two encoders where classes have prompts', async () => {
    const set = ['dataset.task=classification'];
    const { tasks, values } = await ask('runs/clip', { data: 'clip.yaml', set });
    expect(tasks).toEqual(['zero-shot classification']);
    expect(Object.keys(values)).toEqual(expect.arrayContaining(['top-1', 'mean-class-accuracy', 'calibration-error']));
    expect(Object.keys(values)).not.toContain('mean-iou');

    const { dataset, batches } = await batchesOf('clip.yaml', set);
    const { tokenizer, prompts } = dataset.text!;
    const student = 'runs/clip/student/best';
    const images: number[][] = [];
    const classes: number[][] = [];
    // The box head wants as many texts as images, so each side goes through beside made-up others.
    for (const batch of batches) {
      const tokens = tokenizer.encode(Array.from({ length: batch.size }, () => prompts[0][0]));
      const inputs = {
        image: imageTensor(batch),
        tokens: tf.tensor2d(tokens.data as Int32Array, tokens.shape as never),
      };
      images.push(...(await answers(student, [inputs])).imageEmbedding);
    }
    for (const texts of prompts) {
      const tokens = tokenizer.encode(texts);
      const inputs = {
        image: tf.zeros([texts.length, 24, 24, 3]),
        tokens: tf.tensor2d(tokens.data as Int32Array, tokens.shape as never),
      };
      const rows = (await answers(student, [inputs])).textEmbedding.map(unit);
      classes.push(unit(rows[0].map((_, d) => rows.reduce((sum, row) => sum + row[d], 0))));
    }
    const right = labelsOf(batches).map((c, i) => largest(classes.map((one) => dot(one, unit(images[i])))) === c);
    expect(values['top-1']).toBeCloseTo(share(right), 10);
  });

  it('finds captions by images and images by captions', async () => {
    const told = await ask('runs/clip', { data: 'clip.yaml', set: ['dataset.task=retrieval'] });
    expect(told).toMatchObject({ tasks: ['retrieval'], images: 20, texts: 100 });
    const recalls = ['image-to-text', 'text-to-image'].flatMap((way) => [1, 5, 10].map((k) => `${way}/R@${k}`));
    expect(Object.keys(told.values)).toEqual([...recalls, 'mean-recall']);
    const mean = recalls.reduce((sum, name) => sum + (told.values[name] as number), 0) / 6;
    expect(told.values['mean-recall']).toBeCloseTo(mean, 10);
  });

  it('grounds phrases with a box head, as in its run', async () => {
    const { tasks, values } = await ask('runs/clip/student/last', { data: 'runs/clip' });
    expect(tasks).toEqual(['grounding']);
    for (const name of ['Pr@0.5', 'mean-iou', 'cumulative-iou'])
      expect(values[name]).toBeCloseTo(trained.clip.last[`test/${name}`], 4);
    const { values: asked } = await ask('runs/clip', { data: 'runs/clip', metrics: ['retrieval'] });
    expect(asked).toHaveProperty('mean-recall');
  });

  it('measures a teacher on the data set of its manifest, or of another', async () => {
    const best = trained.tiny.best;
    const own = await ask(undefined, { teacher: 'taught.yaml#first' });
    expect(own).toMatchObject({ teacher: `${at('taught.yaml')}#first`, tasks: ['classification'] });
    expect(own.values['top-1']).toBe(best['test/top-1']);
    const other = await ask(undefined, { teacher: 'taught.yaml#first', data: 'tiny.yaml', metrics: ['top-1'] });
    expect(other.values).toEqual({ 'top-1': best['test/top-1'] });
    const [data, set] = ['clip.yaml', ['dataset.task=classification']];
    const dual = await ask(undefined, { teacher: 'taught.yaml#dual', data, set });
    expect(dual.tasks).toEqual(['zero-shot classification']);
    expect(dual.values).toEqual((await ask('runs/clip', { data, set })).values);
    const spoiled = await ask(undefined, { teacher: 'taught.yaml#spoiled' });
    expect(spoiled.values.nll).not.toBeCloseTo(best['test/nll'], 2);
  });

  it('leaves no tensors behind', async () => {
    await ask('loose', { data: 'tiny.yaml' });
    const before = tf.memory().numTensors;
    await ask('loose', { data: 'tiny.yaml' });
    await ask('runs/clip', { data: 'clip.yaml', set: ['dataset.task=classification'] });
    await ask(undefined, { teacher: 'taught.yaml#first' });
    await expect(ask('loose', { data: 'tiny.yaml', metrics: ['retrieval'] })).rejects.toThrow(InputError);
    expect(tf.memory().numTensors).toBe(before);
  });

  it.each<[string, string | undefined, Partial<EvalOptions>, RegExp]>([
    ['no network', undefined, {}, /eval needs one network.*\n.*retort eval RUN/],
    ['two networks', 'loose', { teacher: 'taught.yaml#first' }, /eval needs one network/],
    ['no data set', 'loose', {}, /lies outside a run folder.*\n.*--data MANIFEST/],
    [
      'no such teacher',
      undefined,
      { teacher: 'taught.yaml#frist' },
      /lists no teacher "frist".*\n.*did you mean "first"/,
    ],
    [
      'other classes',
      'loose',
      { data: 'tiny.yaml', set: ['dataset.classes=4'] },
      /tells 3 classes apart, the data set has 4.*\n.*only the data set has: /,
    ],
    [
      'images of another size',
      'loose',
      { data: 'clip.yaml', set: ['dataset.size=24'] },
      /takes images of 16 x 16.*are 24 x 24/,
    ],
    [
      'another tokenizer',
      'runs/clip',
      { data: 'clip.yaml', set: ['dataset.tokenizer={ use: words, contextLength: 40 }'] },
      /was trained with another tokenizer/,
    ],
    [
      'two encoders without texts',
      'runs/clip',
      { data: 'tiny.yaml', set: ['dataset.size=24'] },
      /nothing can be measured.*\n.*gives: imageEmbedding.*brings: classes\n/,
    ],
    [
      'a metric that is none',
      'loose',
      { data: 'tiny.yaml', metrics: ['top-11'] },
      /--metrics: no metric is called "top-11"/,
    ],
    [
      'a metric that does not fit',
      'loose',
      { data: 'tiny.yaml', metrics: ['top-1', 'retrieval'] },
      /--metrics: retrieval does not fit: .*\n.*what fits: top-1, per-class-accuracy/,
    ],
    ['a metric of teachers', 'loose', { data: 'tiny.yaml', metrics: ['agreement'] }, /with the teachers of its run/],
    [
      'an empty split',
      'loose',
      { data: 'tiny.yaml', split: 'validation', set: ['dataset.validation=0'] },
      /no validation split/,
    ],
  ])('%s is told in a line', async (_, path, options, message) => {
    const failed = ask(path, options);
    await expect(failed).rejects.toThrow(InputError);
    await failed.catch((error: InputError) => expect(error.text).toMatch(message));
  });

  it('says what it measures, with a table of numbers', async () => {
    const { code, stdout, stderr } = await retort('eval', 'loose', '--data', 'tiny.yaml', '--metrics', 'top-1');
    expect(code).toBe(0);
    expect(stderr).toContain('classification on 30 images of tiny.yaml, test split; metrics: top-1\n');
    expect(stdout).toMatch(/^student +loose\n.*\ntest\/top-1 +\d+\.\d %\n$/);
    expect(await retort('eval', 'loose', '--metrics', 'a,,b')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('names with commas between'),
    });
  });
});
