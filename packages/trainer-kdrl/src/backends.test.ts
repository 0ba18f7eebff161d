import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resume, type RunEvent } from '@retort/core';
import { backends, held, useBackend } from '@retort-tools/testing';
import { plugins, runQuietly, tinyManifest, withTeacher } from './test-support/compose.js';

const home = mkdtempSync(join(tmpdir(), 'retort-kdrl-backends-'));
const teacher = join(home, 'teacher');
afterAll(() => rmSync(home, { recursive: true, force: true }));

const dataset = { use: 'scenes', classes: 3, size: 16, train: 90, test: 30, batchSize: 8, validation: 0.1 };
/** 11 steps a stage, the last with a single image; on the slow one 3, the last with two. */
const datasetOn = (backend: string) => (backend === 'cpu' ? { ...dataset, train: 20, test: 10 } : dataset);
/** Two updates on the same decisions, λ that remembers. */
const both = (backend: string, folder: string) =>
  tinyManifest(folder, {
    ...withTeacher(teacher),
    backend,
    dataset: datasetOn(backend),
    student: { use: 'cifar-resnet', depth: 8, width: [2, 2, 4] },
    stage2: {
      epochs: 1,
      algorithm: 'ppo',
      rewards: ['confidence', 'cluster-cosine', 'teacher-probability'],
      anneal: { schedule: 'reward-adaptive', target: 0.5 },
    },
    run: { verifyReplay: 3 },
  });
const stepsOn = (backend: string) => (backend === 'cpu' ? 3 : 11);
const checkpoint = (folder: string, backend: string) =>
  readFileSync(join(folder, `checkpoints/${String(2 * stepsOn(backend)).padStart(9, '0')}/tensors.safetensors`));

beforeAll(async () => {
  await runQuietly(tinyManifest(teacher, { dataset }));
}, 120_000);

describe.each(backends)('a run of both stages on %s', (backend) => {
  const whole = join(home, `whole ${backend}`);
  const tensors: number[][] = [[], []];
  let results: Awaited<ReturnType<typeof runQuietly>>['results'];

  beforeAll(async () => {
    await useBackend(backend);
    ({ results } = await runQuietly(both(backend, whole), {
      onEvent: (event) => {
        if (event.type === 'progress') tensors[event.epoch].push(held().tensors);
      },
    }));
  }, 240_000);

  it('holds as many tensors at the end of a stage as at its start, and none when it is over', async () => {
    for (const counts of tensors) {
      expect(counts).toHaveLength(stepsOn(backend));
      // Batches are loaded one step ahead, so single numbers depend on how far that has come.
      const half = Math.ceil(counts.length / 2);
      expect(Math.max(...counts.slice(half))).toBeLessThanOrEqual(Math.max(...counts.slice(0, half)));
    }
    await useBackend(backend);
    const before = held();
    const again = join(home, `again ${backend}`);
    expect((await runQuietly(both(backend, again))).results).toEqual(results);
    expect(checkpoint(again, backend).equals(checkpoint(whole, backend))).toBe(true);
    expect(held()).toEqual(before);
  }, 240_000);

  it('resumed in stage 2 is as if it had never stopped, bit for bit', async () => {
    const parted = join(home, `parted ${backend}`);
    const stop = new AbortController();
    const { status } = await runQuietly(both(backend, parted), {
      signal: stop.signal,
      onEvent: (event: RunEvent) => {
        if (event.type === 'progress' && event.step === stepsOn(backend) + 1) stop.abort();
      },
    });
    expect(status).toBe('interrupted');
    const resumed = await resume(parted, { plugins });
    expect(resumed.results).toEqual(results);
    expect(checkpoint(parted, backend).equals(checkpoint(whole, backend))).toBe(true);
  }, 240_000);
});
