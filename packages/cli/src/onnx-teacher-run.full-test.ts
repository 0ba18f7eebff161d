import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readLog } from '@retort/core';
import { retort as retortIn } from './test-support/retort.js';

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'retort-onnx-run-'))));
afterAll(() => rmSync(folder, { recursive: true }));

async function retort(...args: string[]): Promise<void> {
  const { code, stderr } = await retortIn(args, { cwd: folder });
  if (code !== 0) throw new Error(stderr);
}

const manifest = (sections: string) => `
name: run
dataset: { use: scenes, classes: 3, size: 16, train: 90, test: 20, batchSize: 16 }
student: { use: small-cnn, width: 4 }
metrics: [top-1]
${sections}`;

const student = (teacher: string, threads: number) =>
  manifest(`
backend: { use: onnxruntime, threads: ${threads} }
teachers: [${teacher}]
trainer: { use: mtkd, epochs: 2, weighting: equal }
losses: [{ id: task, use: cross-entropy }, { id: kd, use: kd }, { id: hint, use: fitnet, weightedBy: feature }]`);

const weights = (name: string) => readFileSync(join(folder, name, 'student/last/weights.bin'));

// The backend runs onnxruntime in the main thread while the teacher runs it in a worker: two environments of one library.
it.each([
  [1, 1],
  [2, 2],
])('an ONNX teacher on %i threads works beside the onnxruntime backend on %i', async (teacherThreads, threads) => {
  writeFileSync(
    join(folder, 'teacher.yaml'),
    manifest('trainer: { use: mtkd, epochs: 2, weighting: none }\nlosses: [{ id: task, use: cross-entropy }]'),
  );
  await retort('train', 'teacher.yaml', '--folder', 'teacher', '--overwrite');
  await retort('export', 'teacher', '--output', 'teacher.onnx', '--overwrite');
  const onnx = `{ id: t, use: onnx, path: teacher.onnx, preprocessing: none, layout: nhwc, threads: ${teacherThreads} }`;
  writeFileSync(join(folder, 'onnx.yaml'), student(onnx, threads));
  writeFileSync(join(folder, 'layers.yaml'), student('{ id: t, use: run, path: teacher }', threads));
  for (const name of ['first', 'second']) await retort('train', 'onnx.yaml', '--folder', name, '--overwrite');
  await retort('train', 'layers.yaml', '--folder', 'layers', '--overwrite');

  expect(weights('second')).toEqual(weights('first'));
  // The same network as a LayersModel teaches the same, last bits apart.
  const losses = (name: string) =>
    readLog(join(folder, name)).flatMap((event) => (event.type === 'step' ? [event.values['loss/kd']] : []));
  expect(losses('first').length).toBeGreaterThan(0);
  losses('first').forEach((loss, i) => expect(loss).toBeCloseTo(losses('layers')[i], 3));
});
