import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resume, type RunEvent } from '@retort/core';
import { type backends, held, useBackend } from '@retort-tools/testing';
import { plugins, runQuietly, tinyManifest, withTeacher } from './compose.js';

/** Both stages on a backend: bits that come again, also after a stop; nothing left behind. */
export function describeWholeRun(backend: (typeof backends)[number]): void {
  const home = mkdtempSync(join(tmpdir(), 'retort-kdrl-backends-'));
  const teacher = join(home, 'teacher');
  const dataset = { use: 'scenes', classes: 3, size: 16, train: 90, test: 30, batchSize: 8, validation: 0.1 };
  // 11 steps a stage, the last with a single image; where a step takes seconds 3, the last with two.
  const [own, steps] = backend === 'cpu' ? [{ ...dataset, train: 20, test: 10 }, 3] : [dataset, 11];
  /** Two updates on the same decisions, λ that remembers. */
  const both = (folder: string) =>
    tinyManifest(folder, {
      ...withTeacher(teacher),
      backend,
      dataset: own,
      student: { use: 'cifar-resnet', depth: 8, width: [2, 2, 4] },
      stage2: {
        epochs: 1,
        algorithm: 'ppo',
        rewards: ['confidence', 'cluster-cosine', 'teacher-probability'],
        anneal: { schedule: 'reward-adaptive', target: 0.5 },
      },
      run: { verifyReplay: 3 },
    });
  const checkpoint = (folder: string) =>
    readFileSync(join(folder, `checkpoints/${String(2 * steps).padStart(9, '0')}/tensors.safetensors`));

  describe(`a run of both stages on ${backend}`, () => {
    const whole = join(home, 'whole');
    const tensors: number[][] = [[], []];
    let results: Awaited<ReturnType<typeof runQuietly>>['results'];

    beforeAll(async () => {
      await runQuietly(tinyManifest(teacher, { dataset }));
      await useBackend(backend);
      ({ results } = await runQuietly(both(whole), {
        onEvent: (event) => {
          if (event.type === 'progress') tensors[event.epoch].push(held().tensors);
        },
      }));
    }, 240_000);
    afterAll(() => rmSync(home, { recursive: true, force: true }));

    it('holds as many tensors at the end of a stage as at its start, and none when it is over', async () => {
      for (const counts of tensors) {
        expect(counts).toHaveLength(steps);
        // Batches are loaded one step ahead, so single numbers depend on how far that has come.
        const half = Math.ceil(steps / 2);
        expect(Math.max(...counts.slice(half))).toBeLessThanOrEqual(Math.max(...counts.slice(0, half)));
      }
      await useBackend(backend);
      const before = held();
      const again = join(home, 'again');
      expect((await runQuietly(both(again))).results).toEqual(results);
      expect(checkpoint(again).equals(checkpoint(whole))).toBe(true);
      expect(held()).toEqual(before);
    }, 240_000);

    it('resumed in stage 2 is as if it had never stopped, bit for bit', async () => {
      const parted = join(home, 'parted');
      const stop = new AbortController();
      const { status } = await runQuietly(both(parted), {
        signal: stop.signal,
        onEvent: (event: RunEvent) => {
          if (event.type === 'progress' && event.step === steps + 1) stop.abort();
        },
      });
      expect(status).toBe('interrupted');
      const resumed = await resume(parted, { plugins });
      expect(resumed.results).toEqual(results);
      expect(checkpoint(parted).equals(checkpoint(whole))).toBe(true);
    }, 240_000);
  });
}
