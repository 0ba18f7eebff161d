import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunEvent } from '@retort/core';
import { runQuietly } from './test-support/compose.js';

const home = mkdtempSync(join(tmpdir(), 'retort-policy-learning-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** Where the field says a task is solved: mean return over test episodes. */
const tasks: [string, number, 'last' | 'best', object][] = [
  [
    'PPO, cart-pole',
    475,
    'last',
    {
      environment: 'cart-pole',
      student: 'policy-mlp',
      // Stable-Baselines3 Zoo's, but for the schedule of the clip.
      agent: {
        use: 'ppo',
        optimizer: { use: 'adamw', learningRate: 1e-3 },
        ...{ batchSize: 256, epochs: 20, discount: 0.98, lambda: 0.8, entropyCoefficient: 0, anneal: true },
      },
      trainer: { use: 'reinforcement', steps: 50_000, environments: 8, horizon: 32, evaluations: 10, episodes: 100 },
    },
  ],
  [
    'DQN, cart-pole',
    475,
    'best',
    {
      environment: 'cart-pole',
      // Targets stand stiller without moments that move.
      student: { use: 'policy-mlp', hidden: [128, 128], activation: 'relu', value: 'none', normalize: false },
      agent: {
        use: 'dqn',
        optimizer: { use: 'adamw', learningRate: 1e-3 },
        ...{ batchSize: 64, learningStarts: 1000, updatesPerStep: 2, nStep: 5, targetRate: 0.01 },
        epsilon: { start: 1, end: 0.04, steps: 10_000 },
      },
      trainer: { use: 'reinforcement', steps: 60_000, environments: 8, evaluations: 20, episodes: 50 },
    },
  ],
  [
    'TD3, pendulum',
    -200,
    'last',
    {
      environment: 'pendulum',
      student: { use: 'policy-mlp', hidden: [64, 64], activation: 'relu', value: 'none' },
      agent: { use: 'td3', batchSize: 128, learningStarts: 1000 },
      trainer: { use: 'reinforcement', steps: 20_000, environments: 2, evaluations: 5, episodes: 100 },
    },
  ],
];

it.each(tasks)(
  '%s earns %i',
  async (name, mark, which, sections) => {
    const began = performance.now();
    const { results, events } = await runQuietly({
      ...{ name: 'learning', backend: 'onnxruntime', seed: 1, ...sections },
      run: { folder: join(home, name.replaceAll(/\W+/g, '-')), checkpoint: { every: '1000 epochs' } },
    });
    const seconds = (performance.now() - began) / 1000;
    const curve = events.flatMap((event: RunEvent) =>
      event.type === 'evaluation' && event.student === 'current' ? [Math.round(event.values.return as number)] : [],
    );
    console.log(`${name}: ${curve.join(', ')}; test ${String(results[which]['test/return'])}; ${seconds.toFixed(0)} s`);
    expect(results[which]['test/return']).toBeGreaterThanOrEqual(mark);
  },
  900_000,
);
