import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { plugin as backendOnnxRuntime } from '@retort/backend-onnxruntime';
import { plugin as backendWasm } from '@retort/backend-wasm';
import { type Plugin, run, type RunEvent, type RunOptions } from '@retort/core';
import { plugin as datasets } from '@retort/datasets';
import { plugin as losses } from '@retort/losses';
import { plugin as metrics } from '@retort/metrics';
import { plugin as models } from '@retort/models';
import { plugin as nn } from '@retort/nn';
import { plugin as agents } from '@retort/rl-agents';
import { plugin as teachers } from '@retort/teachers';
import { plugin as trainer } from '../index.js';

export const plugins: Plugin[] = [
  ...[nn, losses, models, teachers, datasets, metrics, agents],
  ...[backendWasm, backendOnnxRuntime, trainer],
];

/** A folder of its own under the system's temporary one. */
export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'retort-kdrl-'));
}

/** Runs a manifest, keeping its events. */
export async function runQuietly(manifest: string | object, options: Partial<RunOptions> = {}) {
  const events: RunEvent[] = [];
  const outcome = await run(manifest, {
    plugins,
    overwrite: true,
    ...options,
    onEvent: (event) => {
      events.push(event);
      options.onEvent?.(event);
    },
  });
  return { ...outcome, events };
}

interface Sections {
  [section: string]: unknown;
  stage1?: object;
  stage2?: object;
  trainer?: object;
}

/** Images of three classes, 10 steps an epoch; without a teacher, stage 1 alone. */
export function tinyManifest(folder: string, { stage1, stage2, trainer, ...sections }: Sections = {}) {
  return {
    name: 'tiny',
    backend: 'wasm',
    dataset: { use: 'scenes', classes: 3, size: 16, train: 180, test: 60, batchSize: 16, validation: 0.1 },
    student: { use: 'cifar-resnet', depth: 8, width: [4, 4, 8] },
    trainer: { use: 'kdrl', stage1: { epochs: 1, ...stage1 }, stage2: { epochs: 0, ...stage2 }, ...trainer },
    losses: [{ id: 'task', use: 'cross-entropy' }],
    metrics: ['top-1', 'entropy', 'calibration-error'],
    ...sections,
    run: { folder, logEvery: 4, ...(sections.run as object | undefined) },
  };
}

/** What a run with the teacher at `path` adds. */
export const withTeacher = (path: string) => ({
  teachers: [{ id: 'large', use: 'run', path }],
  losses: [
    { id: 'task', use: 'cross-entropy' },
    { id: 'kd', use: 'kd', temperature: 4 },
  ],
});
