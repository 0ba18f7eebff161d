import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sha256 } from '@retort/core';
import { retort } from './test-support/retort.js';

/** Steps in an epoch of the manifest below: 162 train images in batches of 16. */
const stepsPerEpoch = 11;
const folder = mkdtempSync(join(tmpdir(), 'retort-kill-'));

const backends = ['wasm', '{ use: onnxruntime, threads: 1 }', '{ use: onnxruntime, threads: 2 }'];

const manifest = ({
  backend,
  epochs = 4,
  agent = 'pg',
  seed = 1,
  ...trainer
}: {
  backend: string;
  epochs?: number;
  agent?: string;
  seed?: number;
  warmStart?: string;
}) => `
name: student
seed: ${seed}
backend: ${backend}
dataset: { use: scenes, classes: 3, size: 16, train: 180, test: 60, batchSize: 16, augment: [crop, flip] }
student: small-cnn
teachers: [{ id: a, use: run, path: teacher-1 }, { id: b, use: run, path: teacher-2 }]
trainer:
  use: mtkd
  epochs: ${epochs}
  schedule: constant
  weighting: agent
  ${trainer.warmStart ? `warmStart: ${trainer.warmStart}` : ''}
agent: ${agent}
losses:
  - { id: task, use: cross-entropy }
  - { id: kd, use: kd }
  - { id: hint, use: fitnet, weightedBy: feature }
metrics: [top-1]
run: { checkpoint: { every: 3 steps } }
`;

async function train(name: string, text: string): Promise<void> {
  writeFileSync(join(folder, `${name}.yaml`), text);
  const { code, stderr } = await retort(['train', `${name}.yaml`, '--folder', name], { cwd: folder });
  if (code !== 0) throw new Error(stderr);
}

/** Starts a run and kills it, no handler run, once a checkpoint in the middle of an epoch is there. */
function trainAndKill(name: string): Promise<number> {
  const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));
  const child = spawn(process.execPath, [main, 'train', `${name}.yaml`, '--folder', name], {
    cwd: folder,
    stdio: 'ignore',
  });
  return new Promise((resolve, reject) => {
    const watch = setInterval(() => {
      const steps = checkpoints(name);
      if (steps.some((step) => step > stepsPerEpoch && step % stepsPerEpoch !== 0)) child.kill('SIGKILL');
    }, 2);
    child.on('close', (code, signal) => {
      clearInterval(watch);
      if (signal === 'SIGKILL') resolve(checkpoints(name).at(-1)!);
      else reject(new Error(`ended before it was killed, code ${code}`));
    });
  });
}

function checkpoints(name: string): number[] {
  try {
    return readdirSync(join(folder, name, 'checkpoints'))
      .filter((entry) => /^\d+$/.test(entry))
      .map(Number)
      .sort((a, b) => a - b);
  } catch {
    return [];
  }
}

/** Digests of the last checkpoint: student, adapters, slots, agent and its optimizer, streams, position. */
function lastState(name: string): string {
  const step = String(checkpoints(name).at(-1)).padStart(9, '0');
  return readFileSync(join(folder, name, 'checkpoints', step, 'digests.json'), 'utf8');
}

const weights = (name: string) => sha256(readFileSync(join(folder, name, 'student/last/weights.bin')));

beforeAll(async () => {
  for (const seed of [1, 2]) {
    await train(
      `teacher-${seed}`,
      `
name: teacher
seed: ${seed}
backend: wasm
dataset: { use: scenes, classes: 3, size: 16, train: 180, test: 60, batchSize: 16 }
student: small-cnn
trainer: { use: mtkd, epochs: 4, weighting: none }
losses: [{ id: task, use: cross-entropy }]
metrics: [top-1]
`,
    );
  }
});

/** Every agent on one thread, and one of them on two. */
const resumed = [
  ...['pg', 'ppo', 'ddpg'].flatMap((agent) => backends.slice(0, 2).map((backend) => [agent, backend])),
  ['ppo', backends[2]],
];

describe.each(resumed)('a run with %s on %s, killed in the middle of an epoch and resumed', (agent, backend) => {
  it('is the uninterrupted run, bit for bit, agent and streams included, and not a cold start', async () => {
    const prefix = `${agent}-${backends.indexOf(backend)}`;
    const [whole, killed, half, cold] = ['whole', 'killed', 'half', 'cold'].map((name) => `${prefix}-${name}`);
    await train(whole, manifest({ backend, agent }));

    writeFileSync(join(folder, `${killed}.yaml`), manifest({ backend, agent }));
    const at = await trainAndKill(killed);
    expect(at % stepsPerEpoch).not.toBe(0);
    expect(at).toBeLessThan(4 * stepsPerEpoch);
    const { code } = await retort(['resume', killed], { cwd: folder });
    expect(code).toBe(0);
    expect(weights(killed)).toBe(weights(whole));
    expect(lastState(killed)).toBe(lastState(whole));

    // The student's weights alone are not enough to go on from.
    await train(half, manifest({ backend, agent, epochs: 2 }));
    await train(cold, manifest({ backend, agent, epochs: 2, warmStart: `${half}/student/last` }));
    expect(weights(cold)).not.toBe(weights(whole));
  });
});

describe.each(['cpu', ...backends])('a manifest and a seed on %s', (backend) => {
  it('give the same bits every time, and another seed other bits', async () => {
    const prefix = `same-${['cpu', ...backends].indexOf(backend)}`;
    const [first, second, other] = ['first', 'second', 'other'].map((name) => `${prefix}-${name}`);
    for (const name of [first, second]) await train(name, manifest({ backend, epochs: 1 }));
    await train(other, manifest({ backend, epochs: 1, seed: 2 }));
    expect(weights(second)).toBe(weights(first));
    expect(lastState(second)).toBe(lastState(first));
    expect(weights(other)).not.toBe(weights(first));
  });
});
