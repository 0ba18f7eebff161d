import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunEvent } from '@retort/core';
import { runQuietly } from './test-support/compose.js';

const home = mkdtempSync(join(tmpdir(), 'retort-distillation-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

const parametersOf = (events: readonly RunEvent[]) =>
  events.flatMap((event) => (event.type === 'run-start' ? [event.parameters] : []))[0];

it('a student with a tenth of the parameters keeps nine tenths of the return of a trained teacher on cart-pole', async () => {
  const folder = join(home, 'teacher');
  const shared = { backend: 'onnxruntime', environment: 'cart-pole' };
  const teacher = await runQuietly({
    ...shared,
    name: 'teacher',
    student: 'policy-mlp',
    // Those of learning.full-test.ts.
    agent: {
      use: 'ppo',
      optimizer: { use: 'adamw', learningRate: 1e-3 },
      ...{ batchSize: 256, epochs: 20, discount: 0.98, lambda: 0.8, entropyCoefficient: 0, anneal: true },
    },
    trainer: { use: 'reinforcement', steps: 50_000, environments: 8, horizon: 32, evaluations: 10, episodes: 20 },
    run: { folder },
  });
  const best = teacher.results.best['test/return'] as number;
  expect(best).toBeGreaterThan(450);
  const student = await runQuietly({
    ...shared,
    name: 'student',
    student: { use: 'policy-mlp', hidden: [24, 24], value: 'none' },
    teachers: [{ id: 'large', use: 'run', path: folder }],
    losses: [{ id: 'policy', use: 'policy-kl' }],
    trainer: {
      use: 'policy-distillation',
      steps: 40_000,
      evaluations: 10,
      optimizer: { use: 'adamw', learningRate: 0.003 },
    },
    run: { folder: join(home, 'student') },
  });
  expect(parametersOf(student.events)).toBeLessThan(parametersOf(teacher.events) / 10);
  expect(student.results.best['test/return'] as number).toBeGreaterThanOrEqual(0.9 * best);
}, 1_200_000);
