import * as tf from '@tensorflow/tfjs';
import { type DatasetText, outputTensors, Seeds, type Student } from '@retort/core';
import { bindOptimizer, compile, createAdamw, forward, gradientsOf, namedWeights, unitRows } from '@retort/nn';
import { expectNoLeak, useBackend } from '@retort-tools/testing';
import { clip } from './clip.js';
import { RepeatingSeeds } from './test-support/repeating-seeds.js';
import { studentContext } from './test-support/student-context.js';

const textOf = (vocabularySize: number, contextLength: number): DatasetText => ({
  tokenizer: {
    vocabularySize,
    contextLength,
    endToken: vocabularySize - 1,
    fingerprint: '',
    encode: () => null as never,
  },
  prompts: [],
});
/** Each of another grain. */
const image = (batch: number, size: number) =>
  tf.tensor4d(
    Float32Array.from({ length: batch * size * size * 3 }, (_, i) => {
      const grain = 1 + Math.floor(i / (size * size * 3));
      return 0.5 + 0.5 * Math.sin((i * grain) / 50);
    }),
    [batch, size, size, 3],
  );
/** Texts that end one place apart. */
const tokens = (batch: number, places: number, endToken: number) =>
  tf.tensor2d(
    Int32Array.from({ length: batch * places }, (_, i) => {
      const [row, place] = [Math.floor(i / places), i % places];
      return place < 3 + row ? (7 * i) % endToken : endToken;
    }),
    [batch, places],
    'int32',
  );

describe('CLIP ViT-B/32 at full size on onnxruntime', () => {
  it('goes through images of 224 pixels and texts of 77 ids', async () => {
    await useBackend('onnxruntime');
    await expectNoLeak(async () => {
      const student = (await clip.create(
        clip.options.parse({ variant: 'vit-b-32' }) as never,
        studentContext({ imageShape: [224, 224, 3], text: textOf(49_408, 77), seeds: new RepeatingSeeds(1) }),
      )) as Student;
      expect(student.parameters).toBe(151_277_313);
      const weights = Object.values(namedWeights(student.model).trainable);
      expect(weights.reduce((sum, { size }) => sum + size, 0)).toBe(151_277_313);
      const inputs = { image: image(2, 224), tokens: tokens(3, 77, 49_407) };
      const outputs = outputTensors(forward(student, inputs, { training: false }));
      expect(outputs.map(({ shape }) => shape)).toEqual([[2, 512], [3, 512], []]);
      for (const output of outputs) expect((await output.data()).every(Number.isFinite)).toBe(true);
      tf.dispose([...outputs, ...Object.values(inputs)]);
      student.model.dispose();
    });
  });
});

describe.each(['wasm', 'onnxruntime'] as const)('a tiny CLIP on %s', (backend) => {
  beforeAll(() => useBackend(backend));

  it('goes down the gradient of four pairs and their boxes, step by compiled step', async () => {
    await expectNoLeak(async () => {
      const student = (await clip.create(
        clip.options.parse({ depth: 2, boxHead: true }) as never,
        studentContext({ text: textOf(30, 8), seeds: new Seeds(3) }),
      )) as Student;
      const { trainable } = namedWeights(student.model);
      const rates = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
      const optimizer = bindOptimizer(createAdamw({ ...rates, decayOn: 'kernels' }), trainable);
      const step = compile(
        (inputs: { image: tf.Tensor; tokens: tf.Tensor; box: tf.Tensor; step: tf.Scalar; rate: tf.Scalar }) => {
          const { value, gradients } = gradientsOf(() => {
            const output = forward(student, inputs, { training: true });
            const [images, words] = [output.imageEmbedding!, output.textEmbedding!].map((x) => unitRows(x));
            const logits = tf.matMul(images, words, false, true).mul(output.logitScale!);
            const pairs = tf.logSoftmax(logits).add(tf.logSoftmax(logits.transpose()).transpose()).mul(tf.eye(4));
            return output.boxes!.sub(inputs.box).abs().mean().sub(pairs.sum().div(8)) as tf.Scalar;
          }, trainable);
          optimizer.apply(gradients, { learningRate: inputs.rate, step: inputs.step });
          return { value };
        },
        { variables: { ...trainable, ...optimizer.variables } },
      );
      const fixed = {
        image: image(4, 32),
        tokens: tokens(4, 8, 29),
        box: tf.tensor2d([[0, 0, 0.4, 0.4], [0.5, 0, 1, 0.3], [0.2, 0.6, 0.5, 0.9], [0.6, 0.6, 0.9, 1]]), // prettier-ignore
        rate: tf.scalar(1e-3),
      };
      const losses: number[] = [];
      for (let number = 1; number <= 12; number++) {
        const moving = { step: tf.scalar(number) };
        const { value } = step({ ...fixed, ...moving });
        losses.push((await value.data())[0]);
        tf.dispose([value, moving]);
      }
      expect(losses.at(-1)).toBeLessThan(losses[0] * 0.7);
      tf.dispose(fixed);
      optimizer.dispose();
      student.model.dispose();
    });
  });
});
