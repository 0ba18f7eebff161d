import { plugin as backendOnnxRuntime } from '@retort/backend-onnxruntime';
import { plugin as backendWasm } from '@retort/backend-wasm';
import { type Plugin, run, type RunEvent, type RunOptions } from '@retort/core';
import { plugin as environments } from '@retort/environments';
import { plugin as losses } from '@retort/losses';
import { plugin as models } from '@retort/models';
import { plugin as nn } from '@retort/nn';
import { plugin as agents } from '@retort/rl-agents';
import { plugin as teachers } from '@retort/teachers';
import { plugin as trainer } from '../index.js';

export const plugins: Plugin[] = [
  ...[nn, losses, models, teachers, environments, agents],
  ...[backendWasm, backendOnnxRuntime, trainer],
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

interface Sections {
  [section: string]: unknown;
  trainer?: object;
}

/** A small network on cart-pole for a few updates of PPO. */
export function tinyManifest(folder: string, { trainer, ...sections }: Sections = {}) {
  return {
    name: 'tiny',
    backend: 'wasm',
    environment: 'cart-pole',
    student: { use: 'policy-mlp', hidden: [16] },
    agent: { use: 'ppo', batchSize: 32 },
    ...sections,
    trainer: {
      use: 'reinforcement',
      steps: 192,
      environments: 4,
      horizon: 16,
      evaluations: 2,
      episodes: 3,
      ...trainer,
    },
    run: { folder, logEvery: 1, ...(sections.run as object | undefined) },
  };
}
