import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  composeFromRun,
  composeRun,
  definePart,
  definePlugin,
  InputError,
  readLog,
  resume,
  run,
  RunError,
  type RunEvent,
  z,
} from '@retort/core';

import { loadLayersModel, namedWeights } from '@retort/nn';
import type * as tf from '@tensorflow/tfjs';
import { plugins, runQuietly, tinyManifest } from './test-support/compose.js';
import { counting } from './test-support/parts.js';

const home = mkdtempSync(join(tmpdir(), 'retort-policy-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

type Event<T extends RunEvent['type']> = Extract<RunEvent, { type: T }>;
const only = <T extends RunEvent['type']>(events: readonly RunEvent[], type: T) =>
  events.filter((event): event is Event<T> => event.type === type);

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

const checkpoint = (folder: string, step: number) =>
  ['tensors.safetensors', 'state.json'].map((name) =>
    readFileSync(join(folder, 'checkpoints', String(step).padStart(9, '0'), name)),
  );
/** Seconds are all that may differ. */
const withoutSeconds = ([tensors, state]: Buffer[]) => [
  tensors,
  JSON.parse(state.toString().replace(/"epochSeconds":[^,}]*/, '"epochSeconds":0')) as unknown,
];

it('trains a student, tells what a learning curve needs, and saves a file that says what it acts in', async () => {
  const folder = join(home, 'first');
  const { status, results, events } = await runQuietly(tinyManifest(folder));
  expect(status).toBe('finished');
  expect(Object.keys(results.last)).toEqual(
    expect.arrayContaining(['validation/return', 'test/return', 'test/return-deviation', 'test/episode-length']),
  );
  expect(results.last['test/success']).toBeUndefined();
  // 4 copies × 16 steps, three times; evaluated after two and, at the end, after four.
  const [start] = only(events, 'run-start');
  expect(start).toMatchObject({
    unit: 'environment steps',
    batchSize: 64,
    stepsPerEpoch: 2,
    epochs: 2,
    classes: ['0', '1'],
  });
  const logged = readLog(folder) as RunEvent[];
  const curve = only(logged, 'evaluation').filter(({ student }) => student === 'current');
  expect(curve.map(({ step }) => (step + 1) * start.batchSize)).toEqual([128, 256]);
  for (const { values } of curve) expect(values.return).toBe(values['episode-length']);
  const steps = only(logged, 'step').map(({ values }) => values);
  expect(steps.every(({ policyLoss, episodes }) => Number.isFinite(policyLoss) && episodes >= 0)).toBe(true);
  // Cart-pole earns 1 a step.
  const ended = steps.filter((values) => 'return' in values);
  expect(ended.length).toBeGreaterThan(0);
  for (const values of ended) expect(values.return).toBe(values['episode-length']);

  const { model, metadata } = await loadLayersModel(join(folder, 'student/best/model.json'));
  expect(metadata).toMatchObject({
    environment: 'cart-pole {"timeLimit":500}',
    observationShape: [4],
    actionSpace: { kind: 'discrete', size: 2 },
    classes: ['0', '1'],
    outputs: expect.arrayContaining(['logits', 'value']) as string[],
    run: 'tiny',
  });
  expect(metadata.observations).toBeGreaterThanOrEqual(128);
  model.dispose();

  const composed = await composeFromRun(folder, { plugins });
  const [validation, test] = [
    await composed.trainer.evaluate(join(folder, 'student/last'), 'validation'),
    await composed.trainer.evaluate(join(folder, 'student/last'), 'test'),
  ];
  await composed.dispose();
  expect(validation.return).toBe(results.last['validation/return']);
  expect(test.return).toBe(results.last['test/return']);
});

/** Every agent that acts, with tiny memories; what else its environment needs. */
const agents: [string, Record<string, unknown>][] = [
  ['ppo', { agent: { use: 'ppo', batchSize: 32 } }],
  ['ppo in a box', { agent: { use: 'ppo', batchSize: 32 }, environment: 'pendulum' }],
  [
    'ppo that remembers',
    { agent: { use: 'ppo', batchSize: 32, unroll: 8 }, student: { use: 'policy-lstm', hidden: [8], units: 4 } },
  ],
  ['reinforce', { agent: 'reinforce', trainer: { horizon: undefined, steps: 512 } }],
  ['grpo', { agent: 'grpo', trainer: { horizon: undefined, steps: 512 } }],
  [
    'dqn',
    { agent: { use: 'dqn', learningStarts: 32, batchSize: 8, capacity: 64 }, trainer: { horizon: 4, steps: 128 } },
  ],
  [
    'td3',
    {
      agent: { use: 'td3', hidden: [16], learningStarts: 32, batchSize: 8, capacity: 64 },
      environment: 'pendulum',
      trainer: { horizon: 4, steps: 128 },
    },
  ],
  [
    'ddpg',
    {
      agent: { use: 'ddpg', hidden: [16], learningStarts: 32, batchSize: 8, capacity: 64 },
      environment: 'pendulum',
      trainer: { horizon: 4, steps: 128 },
    },
  ],
];

it.each(agents)('runs %s; resumed, it is as if it had never stopped, bit for bit', async (name, sections) => {
  const folders = ['whole', 'parted'].map((part) => join(home, `${name.replaceAll(' ', '-')}-${part}`));
  const [whole, parted] = folders.map((folder) => tinyManifest(folder, sections));
  const { results, events } = await runQuietly(whole);
  expect(only(events, 'warning')).toEqual([]);
  expect(Number.isFinite(results.last['test/return'])).toBe(true);
  expect((await runQuietly(parted, until(0))).status).toBe('interrupted');
  const resumed = await resume(folders[1], { plugins });
  expect(resumed.results).toEqual(results);
  const steps = only(events, 'progress').length;
  expect(withoutSeconds(checkpoint(folders[1], steps))).toEqual(withoutSeconds(checkpoint(folders[0], steps)));
});

it.each([
  ['rnd', [{ use: 'rnd', weight: 0.5 }]],
  ['drnd', [{ use: 'drnd', targets: 3 }]],
])('explores with %s, and resumes with it', async (name, rewards) => {
  const sections = { trainer: { rewards, normalizeReward: true } };
  const [whole, parted] = ['whole', 'parted'].map((part) => join(home, `${name}-${part}`));
  const { results, events } = await runQuietly(tinyManifest(whole, sections));
  const [values] = only(events, 'step').map((event) => event.values);
  expect(values[`reward/${name}`]).toBeGreaterThan(0);
  expect(values[`${name}/error`]).toBeGreaterThan(0);
  expect((await runQuietly(tinyManifest(parted, sections), until(1))).status).toBe('interrupted');
  expect((await resume(parted, { plugins })).results).toEqual(results);
  expect(withoutSeconds(checkpoint(parted, 4))).toEqual(withoutSeconds(checkpoint(whole, 4)));
});

/** Running mean of observations. */
async function meanOf(model: tf.LayersModel): Promise<number[]> {
  return Array.from(await namedWeights(model).frozen['normalize/moving_mean'].data());
}

it('goes on from the student of another run, its moments of observations included', async () => {
  const before = join(home, 'first');
  const { model, metadata } = await loadLayersModel(join(before, 'student/best/model.json'));
  const saved = await meanOf(model);
  model.dispose();
  const composed = await composeRun(tinyManifest(join(home, 'from'), { trainer: { from: before } }), { plugins });
  const outcome = await composed.trainer.evaluate(join(before, 'student/best'), 'test');
  await composed.dispose();
  expect(outcome.return).toBeGreaterThan(0);
  // Two updates of no steps to speak of: the moments stay near those of the first run, and count on.
  const folder = join(home, 'from');
  await runQuietly(tinyManifest(folder, { trainer: { from: before, steps: 64 } }));
  const after = await loadLayersModel(join(folder, 'student/last/model.json'));
  expect(after.metadata.observations).toBe((metadata.observations as number) + 64);
  const moved = await meanOf(after.model);
  after.model.dispose();
  expect(moved).not.toEqual(saved);
});

it('is guided and rewarded by a teacher', async () => {
  const teachers = [{ id: 'large', use: 'run', path: join(home, 'first') }];
  const { events } = await runQuietly(
    tinyManifest(join(home, 'guided'), {
      teachers,
      losses: [{ id: 'kd', use: 'kd', temperature: 1 }],
      trainer: { guidance: { share: 0.5 }, rewards: ['shaping', { use: 'rnd', target: 'teacher' }] },
    }),
  );
  const [values] = only(events, 'step').map((event) => event.values);
  expect(Number.isFinite(values['reward/shaping'])).toBe(true);
  expect(values['reward/rnd']).toBeGreaterThan(0);
});

it.each([
  [{ environment: undefined }, 'trainer reinforcement needs an environment'],
  [{ student: 'small-cnn' }, '"small-cnn" reads image, and an environment shows a state'],
  [{ agent: undefined }, 'trainer reinforcement needs an agent'],
  [{ losses: [{ id: 'kd', use: 'kd' }] }, 'without trainer.guidance nothing reads them'],
  [{ trainer: { guidance: { share: 0.5 } } }, 'there is no teacher to be guided by'],
  [{ trainer: { rewards: ['shaping'] } }, 'this reward asks one teacher'],
  [{ trainer: { rewards: ['rnd', 'rnd'] } }, 'reward "rnd" is listed twice'],
  [
    { environment: 'pendulum', trainer: { from: join(home, 'first') } },
    'acts between other spaces than the environment',
  ],
  [{ trainer: { from: join(home, 'nothing') } }, 'no such file'],
  [{ environment: 'pendulum', trainer: { evaluateSampled: true } }, 'trainer.evaluateSampled: actions of a box'],
])('refuses %j before anything is written', async (sections, message) => {
  const folder = join(home, 'refused');
  const error = await runQuietly(tinyManifest(folder, sections)).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(InputError);
  expect((error as InputError).text).toContain(message);
  expect(existsSync(folder)).toBe(false);
});

describe('an environment from elsewhere', () => {
  const faulty = (name: string, faults: Parameters<typeof counting>[1]) =>
    definePart('environment', {
      name,
      summary: 'counts',
      options: z.strictObject({}),
      create: (_, context) => counting(context, faults),
    });
  const parts = [
    faulty('nan', { reward: (copy, step) => (copy === 2 && step === 3 ? NaN : 0) }),
    faulty('endless', { ends: false }),
  ];
  const elsewhere = definePlugin({
    name: 'elsewhere',
    register: (registry) => parts.forEach((part) => registry.add(part)),
  });
  const attempt = async (environment: string) => {
    const events: RunEvent[] = [];
    const manifest = tinyManifest(join(home, environment), { environment });
    const error = await run(manifest, {
      plugins: [...plugins, elsewhere],
      overwrite: true,
      onEvent: (event) => events.push(event),
    }).catch((thrown: unknown) => thrown);
    return { error, events };
  };

  it('ends the run where it gives what is no number, and names copy and step', async () => {
    const { error } = await attempt('nan');
    expect(error).toBeInstanceOf(RunError);
    expect((error as RunError).message).toBe('environment counting {}: copy 2 earned NaN at step 2');
  });

  it('whose episodes never end is told while it trains, and refused when it is evaluated', async () => {
    const { error, events } = await attempt('endless');
    expect(only(events, 'warning').map(({ message }) => message)).toEqual([
      'counting {}: an episode goes on after 10 steps, past its time limit',
    ]);
    expect((error as RunError).message).toBe(
      'environment counting {}: copy 0 goes on after 10 steps, past its time limit',
    );
  });
});

it('evaluates by drawn actions, the same ones each time', async () => {
  const folder = join(home, 'drawn');
  const sections = { student: { use: 'policy-mlp', hidden: [4] }, trainer: { steps: 64, evaluateSampled: true } };
  const { results } = await runQuietly(tinyManifest(folder, sections));
  const composed = await composeFromRun(folder, { plugins });
  for (const split of ['test', 'validation'] as const) {
    const values = await composed.trainer.evaluate(join(folder, 'student/last'), split);
    expect(values.return).toBe(results.last[`${split}/return`]);
  }
  await composed.dispose();
});

it('estimates without leaving a trace', async () => {
  const composed = await composeRun(tinyManifest(join(home, 'estimated')), { plugins });
  const estimate = await composed.trainer.estimate();
  await composed.dispose();
  expect(estimate).toMatchObject({ epochs: 2, stepsPerEpoch: 2 });
  expect(estimate.seconds).toBeGreaterThan(0);
  expect(existsSync(join(home, 'estimated'))).toBe(false);
});
