import * as tf from '@tensorflow/tfjs';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { outputTensors, type Student } from '@retort/core';
import {
  bindOptimizer,
  createSgd,
  forward,
  gradientsOf,
  loadLayersModel,
  namedWeights,
  saveLayersModel,
} from '@retort/nn';
import { expectClose, expectNoLeak, useBackend } from '@retort-tools/testing';
import { cifarResnet } from './cifar-resnet.js';
import { mobilenetV2 } from './mobilenet-v2.js';
import { regnet } from './regnet.js';
import { shufflenetV2 } from './shufflenet-v2.js';
import { studentContext } from './test-support/student-context.js';
import { vgg } from './vgg.js';
import { wideResnet } from './wide-resnet.js';

const networks = [
  [
    'ResNet-8x4',
    cifarResnet,
    { depth: 8, width: [64, 128, 256], stem: 32 },
    { embedding: [256], featureMap: [4, 4, 256] },
  ],
  ['WRN-16-1', wideResnet, { depth: 16, widen: 1 }, { embedding: [64], featureMap: [4, 4, 64] }],
  ['RegNetX-200MF', regnet, { variant: 'x-200mf' }, { embedding: [368], featureMap: [4, 4, 368] }],
  ['RegNetX-400MF', regnet, { variant: 'x-400mf' }, { embedding: [384], featureMap: [4, 4, 384] }],
  ['RegNetY-400MF', regnet, { variant: 'y-400mf' }, { embedding: [384], featureMap: [4, 4, 384] }],
  ['MobileNetV2', mobilenetV2, { width: 1 }, { embedding: [1280], featureMap: [1, 1, 320] }],
  ['ShuffleNetV2', shufflenetV2, {}, { embedding: [1024], featureMap: [2, 2, 1024] }],
  ['VGG-8', vgg, { depth: 8 }, { embedding: [512], featureMap: [1, 1, 512] }],
] as const;

const context = studentContext({ imageShape: [16, 16, 3] });
const make = async (part: (typeof networks)[number][1], options: object) =>
  (await part.create(part.options.parse(options) as never, context)) as Student;
const image = () =>
  tf.tensor4d(
    Float32Array.from({ length: 4 * 16 * 16 * 3 }, (_, i) => 0.5 + 0.5 * Math.sin(i)),
    [4, 16, 16, 3],
  );

describe.each(['wasm', 'onnxruntime'] as const)('networks for small images on %s', (backend) => {
  beforeAll(() => useBackend(backend));

  it.each(networks)('%s gives what it offers and has the parameters it counts', async (_, part, options, offers) => {
    const student = await make(part, options);
    expect(student.offers).toEqual({ logits: [10], ...offers });
    const output = forward(student, { image: image() }, { training: false });
    expect(outputTensors(output).map(({ shape }) => shape.slice(1))).toEqual(Object.values(student.offers));
    const sizes = Object.values(namedWeights(student.model).trainable).map(({ size }) => size);
    expect(sizes.reduce((a, b) => a + b)).toBe(student.parameters);
    tf.dispose(outputTensors(output));
    student.model.dispose();
  });

  it.each(networks)('%s goes down the gradient of four labels', async (_, part, options) => {
    await expectNoLeak(async () => {
      const student = await make(part, options);
      const { trainable } = namedWeights(student.model);
      const optimizer = bindOptimizer(
        createSgd({ learningRate: 0.005, momentum: 0, nesterov: false, weightDecay: 0, decayOn: 'all' }),
        trainable,
      );
      const step = () =>
        tf.tidy(() => {
          const labels = tf.oneHot(tf.tensor1d([0, 1, 2, 3], 'int32'), 10);
          const { value, gradients } = gradientsOf(
            () =>
              tf
                .logSoftmax(forward(student, { image: image() }, { training: true }).logits!)
                .mul(labels)
                .sum(1)
                .mean()
                .neg() as tf.Scalar,
            trainable,
          );
          optimizer.apply(gradients, { learningRate: tf.scalar(0.005), step: tf.scalar(1) });
          return value.dataSync()[0];
        });
      const losses = Array.from({ length: 4 }, step);
      expect(losses.at(-1)).toBeLessThan(losses[0] * 0.97);
      optimizer.dispose();
      student.model.dispose();
    });
  });

  it('a network with convolutions in groups is saved and opens again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'retort-networks-'));
    const student = await make(regnet, { variant: 'x-200mf' });
    await saveLayersModel(student.model, folder);
    const { model } = await loadLayersModel(join(folder, 'model.json'), {});
    const [own, loaded] = [student.model, model].map((each) => (each.predict(image()) as tf.Tensor[])[0]);
    await expectClose(loaded, await own.data(), { absolute: 0, relative: 0 });
    student.model.dispose();
    model.dispose();
    rmSync(folder, { recursive: true });
  });
});
