/**
 * Retort's side of policy.mjs: one arm, in a process of its own; prints a JSON line.
 *
 *   node policy-arm.mjs environment COPIES SECONDS
 *   node policy-arm.mjs ppo SEED BACKEND SETTINGS
 *
 * SETTINGS are those of torch_ppo.py, as JSON.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRegistry, resolvePart, run, Seeds } from '@retort/core';
import { plugin as onnxruntime } from '@retort/backend-onnxruntime';
import { plugin as wasm } from '@retort/backend-wasm';
import { plugin as environments } from '@retort/environments';
import { plugin as models } from '@retort/models';
import { plugin as nn } from '@retort/nn';
import { plugin as agents } from '@retort/rl-agents';
import { plugin as policy } from '@retort/trainer-policy';

const [task, ...given] = process.argv.slice(2);
const result =
  task === 'environment' ? await environmentSpeed(Number(given[0]), Number(given[1])) : await timeToMark(...given);
console.log(JSON.stringify(result));

async function environmentSpeed(copies, seconds) {
  const registry = createRegistry([environments]);
  const scope = registry.createScope();
  const reference = resolvePart(registry, 'environment', 'cart-pole');
  const environment = await scope.create(reference, { count: copies, seeds: new Seeds(1), scope, path: 'environment' });
  const random = new Seeds(2).stream('actions');
  const actions = Array.from({ length: 64 }, () => Int32Array.from({ length: copies }, () => random.integer(2)));
  environment.reset();
  for (let i = 0; i < 200; i++) environment.step(actions[i % 64]);
  let steps = 0;
  const started = performance.now();
  while (performance.now() - started < seconds * 1000) {
    for (const action of actions) environment.step(action);
    steps += actions.length;
  }
  return { stepsPerSecond: (steps * copies * 1000) / (performance.now() - started) };
}

/** Trains until the mean return of the evaluation's episodes reaches the mark; seconds are those of training. */
async function timeToMark(seed, backend, settings) {
  const { copies, horizon, minibatches, epochs, learningRate, hidden, steps, evaluateEvery, episodes, mark } =
    JSON.parse(settings);
  const stepsOfUpdate = copies * horizon;
  const manifest = {
    name: 'bench',
    seed: Number(seed),
    backend: backend === 'onnxruntime' ? { use: backend, threads: 1 } : backend,
    environment: 'cart-pole',
    student: { use: 'policy-mlp', hidden, normalize: false },
    agent: {
      use: 'ppo',
      epochs,
      batchSize: stepsOfUpdate / minibatches,
      anneal: true,
      optimizer: { use: 'adamw', learningRate, weightDecay: 0, epsilon: 1e-5 },
    },
    trainer: {
      use: 'reinforcement',
      steps,
      environments: copies,
      horizon,
      evaluations: Math.floor(steps / stepsOfUpdate / evaluateEvery),
      episodes,
    },
  };
  const folder = mkdtempSync(join(tmpdir(), 'retort-bench-'));
  const end = new globalThis.AbortController();
  let [seconds, reached, trained] = [0, null, 0];
  const onEvent = (event) => {
    if (end.signal.aborted) return;
    if (event.type === 'epoch') {
      seconds += event.seconds;
      trained += event.imagesPerSecond * event.seconds;
    }
    if (event.type === 'evaluation' && event.split === 'validation' && event.values.return >= mark) {
      reached = Math.round(trained);
      end.abort();
    }
  };
  try {
    const plugins = [onnxruntime, wasm, environments, models, nn, agents, policy];
    await run({ ...manifest, run: { folder: join(folder, 'run') } }, { plugins, signal: end.signal, onEvent });
  } finally {
    rmSync(folder, { recursive: true });
  }
  return { seconds, steps: reached, stepsPerSecond: trained / seconds };
}
