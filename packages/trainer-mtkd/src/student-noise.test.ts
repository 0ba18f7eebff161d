import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { resume, sha256 } from '@retort/core';
import { held } from '@retort-tools/testing';
import { plugins, runQuietly, temporaryFolder, tinyManifest } from './test-support/compose.js';

const folder = temporaryFolder();
const dataset = { use: 'scenes', classes: 3, size: 16, train: 60, test: 6, batchSize: 8, validation: 0.2 };
const student = { use: 'deit', width: 8, depth: 2, heads: 2, patchSize: 8, dropPath: 0.4 };
const teachers = ['a', 'b'].map((id) => ({ id, use: 'run', path: join(folder, `teacher-${id}`) }));
const digest = (name: string) => sha256(readFileSync(join(folder, name, 'student/last/weights.bin')));

beforeAll(async () => {
  for (const [m, { path }] of teachers.entries()) {
    await runQuietly(
      tinyManifest(path, {
        dataset,
        student: { use: 'small-cnn', width: 4 },
        seed: 10 + m,
        trainer: { epochs: 1 },
      }),
    );
  }
});

describe.each(['wasm', 'onnxruntime'])('a student that draws in training, on %s', (backend) => {
  it.each([
    { use: 'mmkd', every: 2, capacity: 16 },
    { use: 'agent', reward: 'look-ahead', updateEvery: 1 },
  ])(
    'is given its numbers in steps and in trials with %j, the same again after a resume, and no tensors pile up',
    async (weighting) => {
      const manifest = (name: string) =>
        tinyManifest(join(folder, name), {
          backend,
          dataset,
          student,
          teachers,
          agent: 'pg',
          losses: [
            { id: 'task', use: 'cross-entropy' },
            { id: 'kd', use: 'kd' },
          ],
          trainer: { weighting, epochs: 2, ema: { decay: 0.9 } },
          run: { checkpoint: { every: '5 steps' }, verifyReplay: 2 },
        });
      const counts: ReturnType<typeof held>[] = [];
      await runQuietly(manifest('whole'), {
        // Between two checkpoints and ends of epochs, where as much is prefetched and kept.
        onEvent: (event) => void (event.type === 'progress' && [7, 8, 9].includes(event.step) && counts.push(held())),
      });
      const controller = new AbortController();
      const { status } = await runQuietly(manifest('stopped'), {
        signal: controller.signal,
        onEvent: (event) => void (event.type === 'progress' && event.step === 6 && controller.abort()),
      });
      expect(status).toBe('interrupted');
      await resume(join(folder, 'stopped'), { plugins });
      expect(digest('stopped')).toBe(digest('whole'));
      expect(counts).toHaveLength(3);
      for (const each of counts) expect(each).toEqual(counts[0]);
    },
  );
});
