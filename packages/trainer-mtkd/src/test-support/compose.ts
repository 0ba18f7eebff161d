import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Plugin, run, type RunEvent, type RunOptions } from '@retort/core';
import { plugin as backendOnnxRuntime } from '@retort/backend-onnxruntime';
import { plugin as backendWasm } from '@retort/backend-wasm';
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
  return mkdtempSync(join(tmpdir(), 'retort-mtkd-'));
}

interface Sections {
  [section: string]: unknown;
  trainer?: Record<string, unknown>;
}

/** A manifest small enough for a test: 3 classes, 10 steps an epoch. */
export function tinyManifest(folder: string, { trainer, ...sections }: Sections = {}) {
  return {
    name: 'tiny',
    backend: 'wasm',
    dataset: { use: 'scenes', classes: 3, size: 16, train: 180, test: 60, batchSize: 16, validation: 0.1 },
    student: { use: 'small-cnn' },
    trainer: { use: 'mtkd', epochs: 2, weighting: 'none', ...trainer },
    losses: [{ id: 'task', use: 'cross-entropy' }],
    metrics: ['top-1'],
    ...sections,
    run: { folder, logEvery: 4, ...(sections.run as object | undefined) },
  };
}

/** Losses of a distillation, feature loss included. */
export const distillationLosses = [
  { id: 'task', use: 'cross-entropy' },
  { id: 'kd', use: 'kd', temperature: 4 },
  { id: 'hint', use: 'fitnet', weight: 5, weightedBy: 'feature' },
];

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
