import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Checkpoints, composeRun, InputError, resume, RunFolder, type RunEvent } from '@retort/core';
import { loadLayersModel } from '@retort/nn';
import { held, useBackend } from '@retort-tools/testing';
import { runSequence, sequencePlugins as plugins, tinySequences } from './test-support/sequence-run.js';

const home = mkdtempSync(join(tmpdir(), 'retort-sequence-'));
const teacher = join(home, 'teacher');
afterAll(() => rmSync(home, { recursive: true, force: true }));

type StepEvent = Extract<RunEvent, { type: 'step' }>;
const stepsOf = (events: RunEvent[]) => events.filter((event): event is StepEvent => event.type === 'step');

const withTeacher = {
  teachers: [{ id: 'large', use: 'run', path: teacher }],
  losses: [
    { id: 'task', use: 'sequence-cross-entropy' },
    { id: 'jsd', use: 'sequence-jsd' },
  ],
};

/** Both phases, with answers of its own in the first. */
const both = (folder: string, backend: string) =>
  tinySequences(folder, {
    ...withTeacher,
    backend,
    distillation: { epochs: 2, ownAnswers: 0.5 },
    grpo: { epochs: 2 },
  });

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
  await runSequence(
    tinySequences(teacher, { distillation: { epochs: 2 }, student: { use: 'decoder', width: 16, depth: 1, heads: 2 } }),
  );
}, 60_000);

it('trains both phases, tells of each what it has, and saves a student that says what its ids are', async () => {
  const folder = join(home, 'both');
  const { status, results, events } = await runSequence(both(folder, 'wasm'));
  expect(status).toBe('finished');
  const names = ['exact-match', 'reward', 'token-accuracy', 'nll', 'teacher-kl'];
  expect(Object.keys(results.last)).toEqual([
    'epoch',
    ...['validation', 'test'].flatMap((split) => names.map((name) => `${split}/${name}`)),
  ]);
  const steps = stepsOf(events);
  expect(steps).toHaveLength(20);
  const own = steps.slice(0, 10).filter(({ values }) => values['own-answers'] === 1);
  expect(own.length).toBeGreaterThan(1);
  expect(own.length).toBeLessThan(9);
  for (const { values } of steps.slice(0, 10)) {
    expect(values).toMatchObject({ phase: 1, 'loss/jsd': expect.any(Number) as number });
    // On its own answers there is nothing to be right about but what the teacher says.
    expect('loss/task' in values).toBe(values['own-answers'] === 0);
  }
  for (const { values } of steps.slice(10)) {
    expect(values).toMatchObject({ phase: 2, 'loss/grpo': expect.any(Number) as number });
    expect(values['reference-kl']).toBeGreaterThanOrEqual(0);
    expect(values['answer-length']).toBeGreaterThanOrEqual(1);
  }
  // Two updates a step: before the first the student is its own reference.
  expect(steps[10].values['reference-kl']).toBeLessThan(0.01);
  const { model, metadata } = await loadLayersModel(join(folder, 'student/last/model.json'));
  expect(model.inputs.map(({ shape }) => shape)).toEqual([[null, 7]]);
  expect(metadata).toMatchObject({ outputs: ['tokenLogits'], padToken: 0, endToken: 1 });
  expect((metadata.vocabulary as string[]).join('')).toBe('_.0123456789+-×=');
  model.dispose();
}, 60_000);

it('goes on from another run with GRPO alone, kept near the teacher or near nothing', async () => {
  const from = join(home, 'both');
  for (const [i, grpo] of [
    { reference: 'teacher', kl: 1 },
    { kl: 0, objective: 'reinforce', steps: 1 },
  ].entries()) {
    const manifest = tinySequences(join(home, `grpo-${i}`), {
      ...withTeacher,
      trainer: { from },
      distillation: { epochs: 0 },
      grpo: { epochs: 1, ...grpo },
    });
    const { events } = await runSequence(manifest);
    const [first] = stepsOf(events);
    expect(first.values.phase).toBe(2);
    if (grpo.kl === 0) expect('reference-kl' in first.values).toBe(false);
    else expect(first.values['reference-kl']).toBeGreaterThan(0.01);
  }
}, 60_000);

it.each(['wasm', 'onnxruntime'])(
  'taken up again in either phase, a run on %s is as if it had never stopped, bit for bit; nothing is left',
  async (backend) => {
    await useBackend(backend as 'wasm');
    const [whole, parted] = [join(home, 'whole'), join(home, 'parted')];
    const { results } = await runSequence(both(whole, backend));
    const before = held();
    for (const at of [3, 13]) {
      expect((await runSequence(both(parted, backend), until(at))).status).toBe('interrupted');
      const resumed = await resume(parted, { plugins });
      expect(resumed.results).toEqual(results);
      expect(lastCheckpoint(parted, 20)).toEqual(lastCheckpoint(whole, 20));
    }
    expect(held()).toEqual(before);
  },
  120_000,
);

it('an estimate puts everything back, and a saved student is measured as it was', async () => {
  const [plain, after] = [join(home, 'plain'), join(home, 'after')];
  const { results } = await runSequence(both(plain, 'wasm'));
  const composed = await composeRun(both(after, 'wasm'), { plugins });
  const estimate = await composed.trainer.estimate();
  expect(estimate).toMatchObject({ stepsPerEpoch: 5, epochs: 4 });
  expect(estimate.seconds).toBeGreaterThan(0);
  const folder = RunFolder.create(after, '');
  const trained = await composed.trainer.train({
    folder,
    checkpoints: new Checkpoints(folder.file('checkpoints'), 2),
    signal: new AbortController().signal,
    emit: () => undefined,
  });
  folder.close();
  expect(trained.results).toEqual(results);
  const measured = await composed.trainer.evaluate(join(plain, 'student/last'), 'test');
  for (const [name, value] of Object.entries(measured)) expect(value).toBe(results.last[`test/${name}`]);
  await composed.dispose();
}, 60_000);

it.each([
  [{ teachers: [] }, 'nobody judges what the student writes'],
  [
    { distillation: { ownAnswers: 0 }, teachers: [], losses: [{ id: 'jsd', use: 'sequence-jsd' }] },
    'without a teacher',
  ],
  [{ distillation: { epochs: 0 }, grpo: { epochs: 0 } }, 'both phases have no epochs'],
  [
    { teachers: [], distillation: { ownAnswers: 0 }, grpo: { epochs: 1, reference: 'teacher' } },
    'trainer.grpo.reference: the run has no teacher',
  ],
  [{ metrics: ['top-1'] }, 'trainer sequence has metrics of its own'],
  [{ dataset: { use: 'scenes', classes: 3 } }, 'the data set has none'],
  [
    { dataset: { use: 'arithmetic', digits: 2, train: 20 } },
    'teacher "large" gives tokenLogits [B, 7, 16], the data set\'s sequences need [B, 10, 16]',
  ],
  [{ trainer: { from: '/nowhere' } }, '/nowhere/student/last/model.json'],
])('refuses %j before anything is written', async (sections, message) => {
  const folder = join(home, 'refused');
  const manifest = tinySequences(folder, { ...withTeacher, distillation: { ownAnswers: 0.5 }, ...sections });
  const error = await runSequence(manifest).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(InputError);
  expect((error as InputError).text).toContain(message);
  expect(existsSync(folder)).toBe(false);
});
