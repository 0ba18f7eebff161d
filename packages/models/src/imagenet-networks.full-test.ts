import * as tf from '@tensorflow/tfjs';
import { outputTensors, type Student } from '@retort/core';
import { bindOptimizer, createAdamw, forward, gradientsOf, namedWeights, toTensor } from '@retort/nn';
import { expectNoLeak, useBackend } from '@retort-tools/testing';
import { cait } from './cait.js';
import { deit } from './deit.js';
import { resnet } from './resnet.js';
import { RepeatingSeeds } from './test-support/repeating-seeds.js';
import { studentContext } from './test-support/student-context.js';

const context = studentContext({ imageShape: [64, 64, 3], seeds: new RepeatingSeeds(1) });
const make = async (part: typeof resnet | typeof deit | typeof cait, options: object, of = context) =>
  (await part.create(part.options.parse(options) as never, of)) as Student;
const image = (batch: number, size: number) =>
  tf.tensor4d(
    Float32Array.from({ length: batch * size * size * 3 }, (_, i) => 0.5 + 0.5 * Math.sin(i)),
    [batch, size, size, 3],
  );

describe.each(['wasm', 'onnxruntime'] as const)('networks for ImageNet on %s', (backend) => {
  beforeAll(() => useBackend(backend));

  it.each([
    ['ResNet-18', resnet, { variant: 'resnet18' }, [2, 2, 512]],
    ['ResNet-34', resnet, { variant: 'resnet34' }, [2, 2, 512]],
    ['ResNet-50', resnet, { variant: 'resnet50' }, [2, 2, 2048]],
    ['ResNet-101', resnet, { variant: 'resnet101' }, [2, 2, 2048]],
    ['Wide-ResNet-50-2', resnet, { variant: 'wide_resnet50_2' }, [2, 2, 2048]],
    ['ResNeXt-50', resnet, { variant: 'resnext50_32x4d' }, [2, 2, 2048]],
    ['DeiT-Ti', deit, { variant: 'tiny' }, [4, 4, 192]],
    ['DeiT-S', deit, { variant: 'small' }, [4, 4, 384]],
    ['DeiT-B', deit, { variant: 'base' }, [4, 4, 768]],
    ['CaiT-XXS24', cait, { variant: 'xxs24' }, [4, 4, 192]],
    ['CaiT-S24', cait, { variant: 's24' }, [4, 4, 384]],
  ] as const)('%s gives what it offers and has the parameters it counts', async (_, part, options, featureMap) => {
    await expectNoLeak(async () => {
      const student = await make(part, options);
      expect(student.offers).toMatchObject({ logits: [10], embedding: featureMap.slice(-1), featureMap });
      const x = image(1, 64);
      const outputs = outputTensors(forward(student, { image: x }, { training: false }));
      expect(outputs.map(({ shape }) => shape.slice(1))).toEqual(Object.values(student.offers));
      for (const output of outputs) expect((await output.data()).every(Number.isFinite)).toBe(true);
      const sizes = Object.values(namedWeights(student.model).trainable).map(({ size }) => size);
      expect(sizes.reduce((a, b) => a + b)).toBe(student.parameters);
      tf.dispose([x, ...outputs]);
      student.model.dispose();
    });
  });

  it.each([
    ['a ViT of six blocks on patches of 4', deit, { depth: 6, patchSize: 4, dropPath: 0.1 }],
    ['a CaiT of four blocks on patches of 4', cait, { width: 96, depth: 4, patchSize: 4, dropPath: 0.1 }],
  ])('%s goes down the gradient of four labels', async (_, part, options) => {
    await expectNoLeak(async () => {
      const student = await make(part, options, studentContext());
      const { trainable } = namedWeights(student.model);
      const optimizer = bindOptimizer(
        createAdamw({
          learningRate: 1e-3,
          beta1: 0.9,
          beta2: 0.999,
          epsilon: 1e-8,
          weightDecay: 0,
          decayOn: 'kernels',
        }),
        trainable,
      );
      const step = (number: number) =>
        tf.tidy(() => {
          const labels = tf.oneHot(tf.tensor1d([0, 1, 2, 3], 'int32'), 10);
          const noise = Object.fromEntries(
            Object.entries(student.noise!(4, number)).map(([name, drawn]) => [name, toTensor(drawn)]),
          );
          const { value, gradients } = gradientsOf(() => {
            const { logits } = forward(student, { image: image(4, 32) }, { training: true, noise });
            return tf.logSoftmax(logits!).mul(labels).sum(1).mean().neg() as tf.Scalar;
          }, trainable);
          optimizer.apply(gradients, { learningRate: tf.scalar(1e-3), step: tf.scalar(number) });
          return value.dataSync()[0];
        });
      const losses = [1, 2, 3, 4].map(step);
      expect(losses.at(-1)).toBeLessThan(losses[0] * 0.9);
      optimizer.dispose();
      student.model.dispose();
    });
  });
});
