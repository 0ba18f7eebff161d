import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { composeFromRun, composeRun, InputError, readLog, resume, type RunEvent } from '@retort/core';
import { useBackend } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { createPolicyPlayer } from './policy-player.js';
import { recordPlay, readRecording, writeRecording } from './recording.js';
import { plugins, runQuietly } from './test-support/compose.js';
import { balancingHeads, saveLinearTeacher } from './test-support/linear-teacher.js';
import { environmentOf, studentOf } from './test-support/parts.js';

const home = mkdtempSync(join(tmpdir(), 'retort-distillation-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

type Event<T extends RunEvent['type']> = Extract<RunEvent, { type: T }>;
const only = <T extends RunEvent['type']>(events: readonly RunEvent[], type: T) =>
  events.filter((event): event is Event<T> => event.type === type);

/** Short, so that evaluations are. */
const shortPole = { use: 'cart-pole', timeLimit: 60 };
const taps = { value: 'value', advantages: 'advantages' };
const teacher = (id: string, folder: string, more = {}) => ({
  ...{ id, use: 'layers-model', path: join(home, folder, 'model.json'), preprocessing: 'none' },
  ...more,
});
const pole = teacher('pole', 'pole', { taps });
/** Balances as well, by other preferences. */
const soft = teacher('soft', 'soft', { taps });

beforeAll(async () => {
  await useBackend('cpu');
  await saveLinearTeacher(join(home, 'pole'), balancingHeads());
  await saveLinearTeacher(join(home, 'soft'), balancingHeads(1));
  // Swings by the hinges' velocities.
  const swing = [0, 0, 0, 0, 1, 0].map((weight) => [-weight, 0, weight]);
  await saveLinearTeacher(join(home, 'swing'), { logits: swing, value: swing.map(() => [0.1]) });
  await saveLinearTeacher(join(home, 'push'), { mean: [[0.5], [-1], [0.25]], value: [[1], [0], [0]] });
  const environment = await environmentOf(shortPole, 4);
  const student = await studentOf({ use: 'policy-mlp', hidden: [4] }, environment);
  const player = createPolicyPlayer(student, environment, { count: 4 });
  const play = await recordPlay(environment, player, {
    ...{ steps: 20, by: 'an untrained student' },
    outputs: async (observations) => ({
      logits: {
        data: Float32Array.from({ length: 8 }, (_, i) => observations[4 * (i >> 1) + 2] * (i % 2 === 0 ? -9 : 9)),
        shape: [4, 2],
      },
    }),
  });
  writeRecording(join(home, 'labeled.safetensors'), play);
  writeRecording(join(home, 'plain.safetensors'), { ...play, outputs: undefined });
  player.dispose();
  student.model.dispose();
});

interface Sections {
  [section: string]: unknown;
  trainer?: object;
}

function manifest(folder: string, { trainer, ...sections }: Sections = {}) {
  return {
    name: 'small',
    backend: 'wasm',
    environment: shortPole,
    student: { use: 'policy-mlp', hidden: [8] },
    teachers: [pole],
    losses: [{ id: 'policy', use: 'policy-kl' }],
    ...sections,
    trainer: {
      ...{ use: 'policy-distillation', steps: 192, environments: 4, capacity: 100, batchSize: 16 },
      ...{ evaluations: 2, episodes: 2, ...trainer },
    },
    run: { folder, logEvery: 1 },
  };
}

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

const checkpoint = (folder: string, step: number) => {
  const [tensors, state] = ['tensors.safetensors', 'state.json'].map((name) =>
    readFileSync(join(folder, 'checkpoints', String(step).padStart(9, '0'), name)),
  );
  // Seconds are all that may differ.
  return [tensors, JSON.parse(state.toString().replace(/"epochSeconds":[^,}]*/, '"epochSeconds":0')) as unknown];
};

const tasks = { use: 'multi-task', environments: [shortPole, { use: 'acrobot', timeLimit: 60 }] };
const ofTasks = { environment: tasks, teachers: [teacher('pole', 'pole'), teacher('swing', 'swing')] };
const box = {
  environment: { use: 'pendulum', timeLimit: 60 },
  teachers: [teacher('push', 'push', { taps: { value: 'value' } })],
};

const ways: [string, Sections][] = [
  ['the student acts', {}],
  ['the teacher acts', { trainer: { actor: 'teacher' }, backend: 'cpu' }],
  ['the best actions are taken', { trainer: { sampled: false, actor: 'mixed' } }],
  ['they mix', { trainer: { actor: 'mixed', mixing: 1 }, backend: 'onnxruntime' }],
  ['two teachers', { teachers: [pole, soft], trainer: { actor: 'teacher' } }],
  ['a recording with a teacher’s outputs', { teachers: [], trainer: { recording: join(home, 'labeled.safetensors') } }],
  ['a recording that a teacher labels', { trainer: { recording: join(home, 'plain.safetensors') } }],
  [
    'a recording’s actions',
    {
      teachers: [],
      losses: [{ id: 'task', use: 'cross-entropy' }],
      trainer: { recording: join(home, 'plain.safetensors') },
    },
  ],
  ['two tasks', ofTasks],
  ['reptile over tasks', { ...ofTasks, trainer: { meta: { use: 'reptile', innerSteps: 2 } } }],
  ['fomaml over teachers', { teachers: [pole, soft], trainer: { meta: { use: 'fomaml', innerSteps: 1 } } }],
  [
    'a recurrent student',
    { student: { use: 'policy-lstm', units: 4, hidden: [8] }, trainer: { unroll: 8 }, backend: 'onnxruntime' },
  ],
  ['a box', { ...box, losses: [{ id: 'mean', use: 'policy-mean' }], trainer: { actor: 'mixed' } }],
];

it.each(ways)('distills: %s; resumed, it is as if it had never stopped, bit for bit', async (name, sections) => {
  const [whole, parted] = ['whole', 'parted'].map((part) => join(home, `${name.replace(/\W+/g, '-')}-${part}`));
  const { results, events, status } = await runQuietly(manifest(whole, sections));
  expect(status).toBe('finished');
  expect(only(events, 'warning')).toEqual([]);
  const [values] = only(events, 'step').map((event) => event.values);
  expect(values.loss).toBeGreaterThan(0);
  expect(Number.isFinite(results.last['test/return'])).toBe(true);
  expect((await runQuietly(manifest(parted, sections), until(0))).status).toBe('interrupted');
  expect((await resume(parted, { plugins })).results).toEqual(results);
  const steps = only(events, 'progress').length;
  expect(checkpoint(parted, steps)).toEqual(checkpoint(whole, steps));
});

const lists: [string, object[]][] = [
  ['policy-nll', [{ id: 'best', use: 'policy-nll' }]],
  ['sharpened action values', [{ id: 'values', use: 'policy-kl', temperature: 0.01 }]],
  ['action-value', [{ id: 'values', use: 'action-value' }]],
  ['value', [{ id: 'value', use: 'value' }]],
  [
    'value from action values, relative',
    [{ id: 'value', use: 'value', teacher: 'logits', teacherGives: 'action-values', normalize: 'group' }],
  ],
  [
    'hierarchical values',
    [
      { id: 'value', use: 'value' },
      { id: 'advantages', use: 'advantages', weight: 0.5 },
    ],
  ],
  [
    'labels and a teacher',
    [
      { id: 'task', use: 'cross-entropy', weight: 0.3 },
      { id: 'kd', use: 'kd', temperature: 2, weight: 0.7 },
    ],
  ],
];

it.each(lists)('learns from %s', async (name, losses) => {
  const folder = join(home, name.replace(/\W+/g, '-'));
  const student = { use: 'policy-mlp', hidden: [8], dueling: true };
  const { events } = await runQuietly(
    manifest(folder, {
      losses,
      student,
      trainer: { steps: 64 * 6, evaluations: 1, updates: 2, optimizer: { use: 'adamw', learningRate: 0.01 } },
    }),
  );
  const steps = only(events, 'step').map(({ values }) => values);
  for (const { id } of losses as { id: string }[]) {
    expect(Object.keys(steps[0])).toContain(`loss/${id}`);
    expect(steps.at(-1)![`loss/${id}`]).toBeLessThan(steps[0][`loss/${id}`]);
  }
});

it('tells returns and scores of one task and of several, and saves what it acts in', async () => {
  const folder = join(home, 'the-student-acts-whole');
  const log = readLog(folder) as RunEvent[];
  const [{ values }] = only(log, 'evaluation');
  expect(Object.keys(values)).toEqual(expect.arrayContaining(['return', 'score', 'episode-length']));
  // The teacher balances to the end.
  expect(values.score).toBeCloseTo((values.return as number) / 60, 10);
  const composed = await composeFromRun(folder, { plugins });
  const test = await composed.trainer.evaluate(join(folder, 'student/last'), 'test');
  await composed.dispose();
  const { results } = only(log, 'run-end')[0];
  expect(test.return).toBe(results.last['test/return']);

  const several = only(readLog(join(home, 'two-tasks-whole')) as RunEvent[], 'evaluation')[0].values as Record<
    string,
    number
  >;
  expect(several.return).toBeCloseTo((several['return/cart-pole'] + several['return/acrobot']) / 2, 10);
  expect(several['score/cart-pole']).toBeCloseTo(several['return/cart-pole'] / 60, 10);
  // The other teacher does not get there in so few steps: there is nothing to be told relative to.
  expect(several['score/acrobot']).toBeUndefined();
  expect(several.score).toBe(several['score/cart-pole']);
});

it('writes and reads a recording, bit for bit', async () => {
  const path = join(home, 'labeled.safetensors');
  const play = await readRecording(path, 'here');
  expect(play).toMatchObject({ environment: 'cart-pole {"timeLimit":60}', copies: 4, player: 'an untrained student' });
  expect(play.states.shape).toEqual([80, 4]);
  expect(play.actions.data).toBeInstanceOf(Int32Array);
  expect(play.terminated.data).toBeInstanceOf(Uint8Array);
  writeRecording(join(home, 'again.safetensors'), play);
  expect(readFileSync(join(home, 'again.safetensors'))).toEqual(readFileSync(path));
});

it.each<[Sections, string]>([
  [{ teachers: [] }, '"policy-kl" reads a teacher, and there is none'],
  [{ losses: [] }, 'needs at least one loss'],
  [{ student: 'policy-lstm', trainer: { recording: join(home, 'plain.safetensors') } }, 'remembers'],
  [{ environment: 'acrobot' }, "reads states of [4], the student's environment shows [6]"],
  [
    { environment: { use: 'cart-pole', timeLimit: 9 }, trainer: { recording: join(home, 'plain.safetensors') } },
    'was recorded in cart-pole {"timeLimit":60}, and this run\'s environment is cart-pole {"timeLimit":9}',
  ],
  [{ trainer: { recording: join(home, 'pole/model.json') } }, 'is no recording'],
  [{ trainer: { recording: join(home, 'plain.safetensors'), actor: 'teacher' } }, 'with trainer.recording nobody acts'],
  [{ ...ofTasks, teachers: [pole] }, 'teachers: 1 for the 2 tasks'],
  [{ ...ofTasks, trainer: { episodes: 1 } }, 'trainer.episodes: 1 for 2 tasks'],
  [{ trainer: { meta: { use: 'reptile' } } }, 'the outer loop goes over teachers'],
  [{ trainer: { capacity: 3 } }, 'trainer.capacity: 3 states for 4 copies'],
  [{ trainer: { capacity: 15 } }, 'trainer.capacity: 15 states never make up a batch of 16'],
  [{ metrics: ['top-1'] }, 'metrics'],
])('refuses %j before anything is written', async (sections, message) => {
  const folder = join(home, 'refused');
  const error = await runQuietly(manifest(folder, sections)).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(InputError);
  expect((error as InputError).text).toContain(message);
  expect(existsSync(folder)).toBe(false);
});

it.each([
  ['plain', {}],
  ['recurrent', { student: { use: 'policy-lstm', units: 4 } }],
  ['meta', { ...ofTasks, trainer: { meta: { use: 'reptile', innerSteps: 2 } } }],
])('leaves no tensors from step to step: %s', async (name, sections: Sections) => {
  const tensors: number[] = [];
  const trainer = { ...sections.trainer, steps: 64 * 5, evaluations: 1 };
  await runQuietly(manifest(join(home, `tensors-${name}`), { ...sections, backend: 'cpu', trainer }), {
    onEvent: ({ type }) => {
      if (type === 'progress') tensors.push(tf.memory().numTensors);
    },
  });
  expect(new Set(tensors.slice(2)).size).toBe(1);
});

it('estimates without leaving a trace', async () => {
  const composed = await composeRun(manifest(join(home, 'estimated')), { plugins });
  const estimate = await composed.trainer.estimate();
  await composed.dispose();
  expect(estimate).toMatchObject({ epochs: 2, stepsPerEpoch: 2 });
  expect(estimate.seconds).toBeGreaterThan(0);
  expect(existsSync(join(home, 'estimated'))).toBe(false);
});
