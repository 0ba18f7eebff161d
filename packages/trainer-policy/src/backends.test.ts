import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resume } from '@retort/core';
import { backends, held, useBackend } from '@retort-tools/testing';
import { plugins, runQuietly, tinyManifest } from './test-support/compose.js';

const home = mkdtempSync(join(tmpdir(), 'retort-policy-backends-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

describe.each(backends)('a run on %s', (backend) => {
  const manifest = (folder: string) =>
    tinyManifest(folder, {
      backend,
      student: { use: 'policy-mlp', hidden: [8] },
      agent: { use: 'ppo', batchSize: 16, epochs: 2 },
      trainer: { steps: 256, horizon: 16, normalizeReward: true, rewards: [{ use: 'rnd', hidden: [8], size: 4 }] },
    });
  const weights = (folder: string) => readFileSync(join(folder, 'student/last/weights.bin')).toString('hex');

  it('holds no more tensors from step to step, gives the same bits again, and after a stop', async () => {
    await useBackend(backend);
    const [whole, again, parted] = ['whole', 'again', 'parted'].map((part) => join(home, `${backend}-${part}`));
    const tensors: number[] = [];
    const { results } = await runQuietly(manifest(whole), {
      onEvent: (event) => {
        if (event.type === 'progress') tensors.push(held().tensors);
      },
    });
    expect(tensors).toHaveLength(4);
    // Reports of the update wait to be read; the first evaluation makes a player.
    expect(tensors[3]).toBe(tensors[2]);
    const before = held();
    expect((await runQuietly(manifest(again))).results).toEqual(results);
    expect(held()).toEqual(before);
    expect(weights(again)).toBe(weights(whole));
    const stop = new AbortController();
    await runQuietly(manifest(parted), {
      signal: stop.signal,
      onEvent: (event) => {
        if (event.type === 'progress' && event.step === 2) stop.abort();
      },
    });
    expect((await resume(parted, { plugins })).results).toEqual(results);
    expect(weights(parted)).toBe(weights(whole));
  });
});
