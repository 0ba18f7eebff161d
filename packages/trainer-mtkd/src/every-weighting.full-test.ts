import { join } from 'node:path';
import { distillationLosses, runQuietly, temporaryFolder, tinyManifest } from './test-support/compose.js';
import { weightingsOfTeachers } from './test-support/every-weighting.js';

const folder = temporaryFolder();
const dataset = { use: 'scenes', classes: 3, size: 16, train: 72, test: 6, batchSize: 8, validation: 0.1 };
const student = { use: 'small-cnn', width: 4 };
const ids = [...'abcdefgh'];
const teachers = ids.map((id) => ({ id, use: 'run', path: join(folder, `teacher-${id}`) }));

beforeAll(async () => {
  for (const [m, { path }] of teachers.entries()) {
    await runQuietly(tinyManifest(path, { dataset, student, seed: 20 + m, trainer: { epochs: 1 } }));
  }
});

describe.each(['wasm', 'onnxruntime'])('eight teachers on %s', (backend) => {
  it.each(weightingsOfTeachers.map((entry) => [entry.name, entry] as const))('%s', async (name, entry) => {
    const { events, results } = await runQuietly(
      tinyManifest(join(folder, `${name}-${backend}`), {
        backend,
        dataset,
        student,
        teachers,
        agent: 'ppo',
        losses: distillationLosses,
        trainer: { weighting: entry.manifest(ids), epochs: 2 },
        run: { verifyReplay: 1 },
      }),
    );
    expect(Number.isFinite(results.last['test/top-1'])).toBe(true);
    for (const event of events) {
      if (event.type !== 'epoch') continue;
      for (const weights of Object.values(event.weights!)) {
        expect(Object.keys(weights)).toEqual(ids);
        expect(Object.values(weights).reduce((a, b) => a + b)).toBeCloseTo(1, 4);
      }
    }
  });
});
