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

export const sequencePlugins: Plugin[] = [
  ...[nn, losses, models, teachers, datasets, metrics, agents],
  ...[backendWasm, backendOnnxRuntime, trainer],
];

/** Runs a manifest, keeping its events. */
export async function runSequence(manifest: string | object, options: Partial<RunOptions> = {}) {
  const events: RunEvent[] = [];
  const outcome = await run(manifest, {
    plugins: sequencePlugins,
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
  distillation?: object;
  grpo?: object;
  trainer?: object;
}

/** Sums of single digits, five steps an epoch, the last with a smaller batch; one epoch of distillation. */
export function tinySequences(folder: string, { distillation, grpo, trainer, ...sections }: Sections = {}) {
  return {
    name: 'tiny',
    backend: 'wasm',
    dataset: { use: 'arithmetic', digits: 1, operations: ['add'], train: 70, validation: 10, test: 20, batchSize: 16 },
    student: { use: 'decoder', width: 8, depth: 1, heads: 2 },
    losses: [{ id: 'task', use: 'sequence-cross-entropy' }],
    ...sections,
    trainer: {
      use: 'sequence',
      distillation: { epochs: 1, ...distillation },
      grpo: { epochs: 0, samples: 4, ...grpo },
      ...trainer,
    },
    run: { folder, logEvery: 1, ...(sections.run as object | undefined) },
  };
}
