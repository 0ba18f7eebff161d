import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Checkpoints, composeRun, RunFolder } from '@retort/core';
import { plugins, runQuietly, tinyManifest, withTeacher } from './test-support/compose.js';

const home = mkdtempSync(join(tmpdir(), 'retort-kdrl-estimate-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

it('an estimate puts everything back, bit for bit', async () => {
  const teacher = join(home, 'teacher');
  const dataset = { use: 'scenes', classes: 3, size: 16, train: 60, test: 20, batchSize: 16, validation: 0.1 };
  await runQuietly(tinyManifest(teacher, { dataset }));
  const manifest = (folder: string) =>
    tinyManifest(folder, {
      ...withTeacher(teacher),
      dataset,
      stage2: { epochs: 1, algorithm: 'ppo', anneal: { schedule: 'reward-adaptive', target: 0.5 } },
    });
  const tensors = (folder: string) => readFileSync(join(folder, 'checkpoints/000000008/tensors.safetensors'));

  const plain = join(home, 'plain');
  const { results } = await runQuietly(manifest(plain));

  const after = join(home, 'after');
  const composed = await composeRun(manifest(after), { plugins });
  const estimate = await composed.trainer.estimate();
  expect(estimate).toMatchObject({ stepsPerEpoch: 4, epochs: 2 });
  expect(estimate.seconds).toBeGreaterThan(0);
  expect(estimate.checkpointBytes).toBeGreaterThan(4 * 3 * estimate.parameters);
  const folder = RunFolder.create(after, '');
  const trained = await composed.trainer.train({
    folder,
    checkpoints: new Checkpoints(folder.file('checkpoints'), 2),
    signal: new AbortController().signal,
    emit: () => undefined,
  });
  folder.close();
  await composed.dispose();
  expect(trained.results).toEqual(results);
  expect(tensors(after).equals(tensors(plain))).toBe(true);
}, 120_000);
