import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { resume, sha256 } from '@retort/core';
import { distillationLosses, plugins, runQuietly, temporaryFolder, tinyManifest } from './test-support/compose.js';

const folder = temporaryFolder();
const teacherFolders = ['a', 'b'].map((name) => join(folder, `teacher-${name}`));
const teachers = teacherFolders.map((path, m) => ({ id: 'ab'[m], use: 'run', path }));
const digest = (run: string) => sha256(readFileSync(join(folder, run, 'student/last/weights.bin')));
const dataset = { use: 'scenes', classes: 3, size: 16, train: 60, test: 6, batchSize: 16, validation: 0.2 };

const manifest = (name: string, backend: string, weighting: object, agent: unknown) =>
  tinyManifest(join(folder, name), {
    backend,
    dataset,
    teachers,
    losses: distillationLosses,
    agent,
    trainer: { weighting: { use: 'agent', ...weighting }, epochs: 2 },
    run: { checkpoint: { every: '2 steps' }, verifyReplay: 1 },
  });

beforeAll(async () => {
  for (const [m, path] of teacherFolders.entries()) {
    await runQuietly(tinyManifest(path, { seed: 10 + m, trainer: { epochs: 2 } }));
  }
});

const switches: [string, object, unknown][] = [
  [
    'with the reward and the agents of the paper',
    {
      reward: 'eq6',
      normalize: 'eq8-rescaled-mean',
      agents: 'per-teacher',
      warmUp: 'equal',
      state: 'teacher-performance',
    },
    { use: 'ddpg', hidden: [8] },
  ],
  [
    'as the public code has it, with shares that learn',
    {
      reward: 'fused-scalar',
      normalize: 'batch-zscore-clamp01',
      credit: 'fused',
      gammas: { learnable: true },
      warmUp: 'ones',
    },
    { use: 'pg', objective: 'log', normalize: 'none' },
  ],
  [
    'with a null teacher and a policy on the simplex',
    { nullTeacher: true, state: 'teacher-student-gaps', updateEvery: 2 },
    { use: 'ppo', distribution: 'dirichlet', hidden: [8] },
  ],
];

describe.each(['wasm', 'onnxruntime'])('the agent weighting on %s', (backend) => {
  it.each(switches)('%s replays, and resumes as if it had never stopped', async (_, weighting, agent) => {
    await runQuietly(manifest('whole', backend, weighting, agent));
    const controller = new AbortController();
    const { status } = await runQuietly(manifest('stopped', backend, weighting, agent), {
      signal: controller.signal,
      onEvent: (event) => void (event.type === 'progress' && event.step === 3 && controller.abort()),
    });
    expect(status).toBe('interrupted');
    const { results } = await resume(join(folder, 'stopped'), { plugins });
    expect(digest('stopped')).toBe(digest('whole'));
    expect(Number.isFinite(results.last['test/top-1'])).toBe(true);
  });
});
