import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runQuietly, temporaryFolder } from './test-support/compose.js';

const folder = fileURLToPath(new URL('../../../manifests/', import.meta.url));
const out = temporaryFolder();

/** What the manifests call a try: a quarter of the images, a few epochs. */
const few = ['dataset.train=1500', 'dataset.test=200'];

/** Runs a manifest. @returns what it came to, and the seconds it computed */
async function run(name: string, set: string[]) {
  const before = process.cpuUsage();
  const { status, results } = await runQuietly(`${folder}${name}.yaml`, {
    set: [...few, ...set, `run.folder=${join(out, name)}`],
  });
  const { user, system } = process.cpuUsage(before);
  return { status, test: results.last as Record<string, number>, seconds: (user + system) / 1e6 };
}

it('kdrl-scenes-clip: a small CLIP of a larger one, both trained here, in three minutes', async () => {
  const teacher = await run('kdrl-scenes-clip-teacher', ['trainer.stage1.epochs=3']);
  const student = await run('kdrl-scenes-clip', [
    'trainer.stage1.epochs=3',
    'trainer.stage2.epochs=2',
    'trainer.centers.clusters=64',
    `teachers=[{ id: large, use: run, path: ${join(out, 'kdrl-scenes-clip-teacher')} }]`,
    `cache.folder=${join(out, 'cache')}`,
  ]);
  for (const { status, test } of [teacher, student]) {
    expect(status).toBe('finished');
    // Chance is 0.5 % of 200 images, and 5 % among ten.
    expect(test['test/text-to-image/R@1']).toBeGreaterThan(0.02);
    expect(test['test/text-to-image/R@10']).toBeGreaterThan(0.2);
  }
  for (const name of ['stage1.safetensors', 'clusters.safetensors', 'clusters-plot.json', 'student/best/model.json']) {
    expect(existsSync(join(out, 'kdrl-scenes-clip', name))).toBe(true);
  }
  expect(student.test['test/clusters-in-use']).toBeGreaterThan(2);
  expect(teacher.seconds + student.seconds).toBeLessThan(180);
}, 900_000);
