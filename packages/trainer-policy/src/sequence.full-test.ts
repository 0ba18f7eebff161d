import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resume, type RunEvent } from '@retort/core';
import { runSequence, sequencePlugins as plugins, tinySequences } from './test-support/sequence-run.js';

const home = mkdtempSync(join(tmpdir(), 'retort-sequence-full-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** All sums of digits but a few, 20 steps an epoch. */
const sums = { use: 'arithmetic', digits: 1, operations: ['add'], train: 80, validation: 20, test: 0, batchSize: 4 };
const student = { use: 'decoder', width: 16, depth: 1, heads: 2 };
const numberOf = (results: Record<string, Record<string, unknown>>, name: string) => results.last[name] as number;

it('learns sums, and GRPO then makes drawn answers right more often, from the reward alone', async () => {
  const first = join(home, 'first');
  const rate = { use: 'adamw', learningRate: 0.01 };
  const { results } = await runSequence(
    tinySequences(first, {
      backend: 'onnxruntime',
      dataset: sums,
      student,
      distillation: { epochs: 25, optimizer: rate },
    }),
  );
  expect(numberOf(results, 'validation/token-accuracy')).toBeGreaterThan(0.5);
  const second = await runSequence(
    tinySequences(join(home, 'second'), {
      backend: 'onnxruntime',
      dataset: sums,
      student,
      trainer: { from: first },
      distillation: { epochs: 0 },
      grpo: { epochs: 8, samples: 8, kl: 0, optimizer: { use: 'adamw', learningRate: 0.003 } },
    }),
  );
  const rewards = second.events.flatMap((event) => (event.type === 'step' ? [event.values.reward] : []));
  const mean = (values: number[]) => values.reduce((a, b) => a + b) / values.length;
  // An epoch at either end: the same prompts, eight answers each.
  expect(mean(rewards.slice(-20))).toBeGreaterThan(mean(rewards.slice(0, 20)) + 0.1);
}, 600_000);

it('on cpu, taken up again in either phase, is as if it had never stopped, bit for bit', async () => {
  const manifest = (folder: string) =>
    tinySequences(folder, { backend: 'cpu', distillation: { epochs: 1 }, grpo: { epochs: 1, samples: 2 } });
  const [whole, parted] = [join(home, 'whole'), join(home, 'parted')];
  const checkpoint = (folder: string) => readFileSync(join(folder, 'checkpoints/000000010/tensors.safetensors'));
  const { results } = await runSequence(manifest(whole));
  for (const at of [1, 6]) {
    const stop = new AbortController();
    const onEvent = (event: RunEvent) => void (event.type === 'progress' && event.step === at && stop.abort());
    expect((await runSequence(manifest(parted), { signal: stop.signal, onEvent })).status).toBe('interrupted');
    expect((await resume(parted, { plugins })).results).toEqual(results);
    expect(checkpoint(parted)).toEqual(checkpoint(whole));
  }
}, 600_000);
