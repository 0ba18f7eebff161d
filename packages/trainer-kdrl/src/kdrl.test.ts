import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InputError, readLog, resume, type RunEvent } from '@retort/core';
import { loadLayersModel } from '@retort/nn';
import { loadClusters } from './cluster-file.js';
import { plugins, runQuietly, tinyManifest, withTeacher } from './test-support/compose.js';

const home = mkdtempSync(join(tmpdir(), 'retort-kdrl-'));
const teacher = join(home, 'teacher');
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** Ends the run after this step. */
function until(last: number) {
  const stop = new AbortController();
  return {
    signal: stop.signal,
    onEvent: (event: RunEvent) => {
      if (event.type === 'progress' && event.step === last) stop.abort();
    },
  };
}

const lastCheckpoint = (folder: string, step: number) =>
  readFileSync(join(folder, 'checkpoints', String(step).padStart(9, '0'), 'tensors.safetensors'));

beforeAll(async () => {
  const { results } = await runQuietly(
    tinyManifest(teacher, { stage1: { epochs: 3 }, student: { use: 'cifar-resnet', depth: 8, width: [8, 8, 16] } }),
  );
  expect(results.last['test/top-1']).toBeGreaterThan(1 / 3);
});

it('trains both stages, and saves a plain student, centers and their picture', async () => {
  const folder = join(home, 'both');
  const { status, results, events } = await runQuietly(
    tinyManifest(folder, { ...withTeacher(teacher), stage2: { epochs: 1 } }),
  );
  expect(status).toBe('finished');
  expect(results.last.epoch).toBe(1);
  const { model } = await loadLayersModel(join(folder, 'student/last/model.json'));
  // 3 × 3 convolutions, their norms and a dense layer: nothing of taps or adapters.
  expect(model.outputs).toHaveLength(3);
  expect(model.weights.every(({ originalName }) => !originalName.includes('aux'))).toBe(true);
  model.dispose();
  const clusters = await loadClusters(join(folder, 'clusters.safetensors'));
  expect(clusters.centers.shape).toEqual([3, 16]);
  expect(clusters.assignment).toHaveLength(162);
  const plot = JSON.parse(readFileSync(join(folder, 'clusters-plot.json'), 'utf8')) as Record<string, unknown[]>;
  expect([plot.points.length, plot.cluster.length, plot.label.length, plot.centers.length]).toEqual([162, 162, 162, 3]);
  const steps = readLog(folder).filter(({ type }) => type === 'step') as Extract<RunEvent, { type: 'step' }>[];
  const [first, last] = [steps[0].values, steps.at(-1)!.values];
  expect(first).toMatchObject({ stage: 1, 'loss/aux': expect.any(Number) as number });
  expect(first.lambda).toBeUndefined();
  expect(last).toMatchObject({ stage: 2, 'loss/reward': expect.any(Number) as number });
  expect(last['reward/confidence']).toBeGreaterThan(1 / 3);
  expect(last['reward/cluster-cosine']).toBeLessThan(1);
  expect(last.lambda).toBeLessThan(0.5);
  expect(existsSync(join(folder, 'stage1.safetensors'))).toBe(true);
  expect(events.some((event) => event.type === 'info' && event.message.includes('gradient score'))).toBe(true);
}, 120_000);

it.each([
  ['ppo', { algorithm: 'ppo' }],
  ['grpo', { algorithm: 'grpo' }],
  ['pathwise rewards', { gradient: 'pathwise', rewards: ['negative-entropy', 'cluster-cosine'] }],
  ['no rewards', { rewards: [] }],
  ['λ that follows the reward', { anneal: { schedule: 'reward-adaptive', target: 0.6 } }],
  ['rewards by label and teacher', { rewards: ['correct-gated', 'teacher-probability'], temperature: 2 }],
])(
  'runs stage 2 with %s from the stage 1 of another run',
  async (_, stage2) => {
    const folder = join(home, 'branch');
    const { results, events } = await runQuietly(
      tinyManifest(folder, {
        ...withTeacher(teacher),
        stage1: { epochs: 0, schedule: { use: 'cosine', warmupEpochs: 1 } },
        stage2: { epochs: 1, ...stage2 },
        trainer: { from: join(home, 'both') },
      }),
    );
    expect(results.last['test/top-1']).toBeGreaterThan(0.2);
    expect(events.filter(({ type }) => type === 'warning')).toEqual([]);
    expect(events.some((event) => event.type === 'info' && event.message.includes('are new in this run'))).toBe(false);
  },
  120_000,
);

it('learns from few labels, and counts how often it is right among them', async () => {
  const { events } = await runQuietly(
    tinyManifest(join(home, 'few'), {
      ...withTeacher(teacher),
      dataset: { use: 'scenes', classes: 3, size: 16, train: 180, batchSize: 16, validation: 0.1, labelled: 0.1 },
      losses: [
        { id: 'task', use: 'cross-entropy' },
        { id: 'nd', use: 'nd' },
      ],
      stage1: { epochs: 3, optimizer: { use: 'adamw', learningRate: 0.01 } },
      stage2: { epochs: 1, rewards: ['correct-gated', 'cluster-cosine'] },
      trainer: { centers: { from: 'class-means' } },
    }),
  );
  const steps = events.filter(({ type }) => type === 'step') as Extract<RunEvent, { type: 'step' }>[];
  const accuracies = steps.flatMap(({ values }) => values['train-accuracy'] ?? []);
  // A tenth are labelled: as a share of all images it could not be more than that on the whole.
  expect(accuracies.reduce((a, b) => a + b, 0) / accuracies.length).toBeGreaterThan(0.2);
  expect(steps[0].values['loss/nd']).toBeGreaterThan(0);
}, 120_000);

it.each([
  ['stage 1', 5, {}],
  ['stage 2, recomputing centers', 14, { centers: { recompute: 'per-epoch' } }],
])(
  'resumed in %s is as if it had never stopped, bit for bit',
  async (_, at, trainer) => {
    const manifest = (folder: string) =>
      tinyManifest(folder, {
        ...withTeacher(teacher),
        stage2: { epochs: 2, anneal: { schedule: 'reward-adaptive', target: 0.5 }, algorithm: 'ppo' },
        trainer,
      });
    const [whole, parted] = [join(home, 'whole'), join(home, 'parted')];
    const { results } = await runQuietly(manifest(whole));
    expect((await runQuietly(manifest(parted), until(at))).status).toBe('interrupted');
    const resumed = await resume(parted, { plugins });
    expect(resumed.results).toEqual(results);
    expect(lastCheckpoint(parted, 33)).toEqual(lastCheckpoint(whole, 33));
  },
  240_000,
);

it.each([
  [{ teachers: [] as object[], stage2: { epochs: 1 } }, 'this reward needs auxiliary taps'],
  [{ stage2: { epochs: 1, rewards: ['negative-entropy'] } }, 'teaches nothing under gradient: score'],
  [{ stage2: { epochs: 1, rewards: ['confidence', 'confidence'] } }, 'is listed twice'],
  [{ trainer: { centers: { clusters: 200 } }, stage2: { epochs: 1 } }, '200 centers of 162 train samples'],
  [{ trainer: { aux: { taps: ['stage9'] } } }, 'the student has no output or layer "stage9"'],
  [{ trainer: { from: '/nowhere' } }, 'no such file: /nowhere/stage1.safetensors'],
  [{ trainer: { select: 'R@1' } }, 'no metric gives "R@1"'],
  [{ metrics: ['retrieval'] }, 'which the student does not give'],
  [{ teachers: [], losses: [{ id: 'kd', use: 'kd' }] }, 'none of them can be computed without a teacher'],
  [{ stage1: { epochs: 0 } }, 'both stages have no epochs'],
])('refuses %j before anything is written', async (sections, message) => {
  const folder = join(home, 'refused');
  const error = await runQuietly(tinyManifest(folder, { ...withTeacher(teacher), ...sections })).catch(
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(InputError);
  expect((error as InputError).text).toContain(message);
  expect(existsSync(folder)).toBe(false);
});
