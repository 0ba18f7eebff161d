import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, type RunEvent } from '@retort/core';
import type { OnnxRuntimeBackend } from '@retort/backend-onnxruntime';
import * as tf from '@tensorflow/tfjs';
import { plugins } from './plugins.js';

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'retort-compiled-'))));
afterAll(() => rmSync(folder, { recursive: true }));

// 136 train and 34 validation images: both end in a batch smaller than 16.
const manifest = (name: string, sections: object) => ({
  name,
  backend: 'onnxruntime',
  dataset: { use: 'scenes', classes: 3, size: 16, train: 170, test: 20, batchSize: 16, validation: 0.2 },
  student: { use: 'small-cnn', width: 4 },
  losses: [{ id: 'task', use: 'cross-entropy' }],
  metrics: ['top-1'],
  run: { folder: join(folder, name) },
  ...sections,
});

/** What the backend had done, and how often layers had been applied, at the end of each epoch, its evaluation included. */
async function runCounting(text: object) {
  const epochs: { compiled: number; runs: number; applied: number; fallbacks: object }[] = [];
  let applied = 0;
  const { apply } = tf.layers.Layer.prototype;
  tf.layers.Layer.prototype.apply = function (...args) {
    applied++;
    return apply.apply(this, args);
  };
  try {
    await run(text, {
      plugins,
      onEvent: (event: RunEvent) => {
        if (event.type !== 'evaluation' || event.student !== 'current') return;
        const { compiled, runs, fallbacks } = (tf.backend() as OnnxRuntimeBackend).statistics();
        epochs.push({ compiled, runs, applied, fallbacks });
      },
    });
  } finally {
    tf.layers.Layer.prototype.apply = apply;
  }
  return epochs;
}

const teachers = ['a', 'b'];
beforeAll(async () => {
  for (const [m, id] of teachers.entries()) {
    const trainer = { use: 'mtkd', epochs: 1, weighting: 'none' };
    await run(manifest(id, { seed: m + 1, trainer }), { plugins });
  }
});

it.each(['pg', 'ppo', 'ddpg'])(
  'with %s, everything is recorded and compiled in the first epoch: student, teachers, agent, evaluation, smaller last batches',
  async (agent) => {
    const [first, ...others] = await runCounting(
      manifest(agent, {
        teachers: teachers.map((id) => ({ id, use: 'run', path: join(folder, id) })),
        agent,
        trainer: { use: 'mtkd', epochs: 3, weighting: 'agent' },
        losses: [
          { id: 'task', use: 'cross-entropy' },
          { id: 'kd', use: 'kd' },
          { id: 'hint', use: 'fitnet', weightedBy: 'feature' },
        ],
      }),
    );
    expect(others).toHaveLength(2);
    for (const epoch of others) {
      expect(epoch.compiled).toBe(first.compiled);
      // Replayed: no layer of any network is applied again.
      expect(epoch.applied).toBe(first.applied);
      expect(epoch.runs).toBeGreaterThan(first.runs);
      expect(epoch.fallbacks).toEqual({});
    }
  },
);
