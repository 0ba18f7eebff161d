import * as tf from '@tensorflow/tfjs';
import { forward, namedWeights } from '@retort/nn';
import { outputTensors, type Student } from '@retort/core';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import { cifarResnet } from './cifar-resnet.js';
import { smallCnn } from './small-cnn.js';
import { studentContext } from './test-support/student-context.js';

const make = async (part: typeof cifarResnet, options: object, context = studentContext()) =>
  (await part.create(part.options.parse(options) as never, context)) as Student;

const image = (size = 32, batch = 2) =>
  tf.tensor4d(
    Float32Array.from({ length: batch * size * size * 3 }, (_, i) => 0.5 + 0.5 * Math.sin(i)),
    [batch, size, size, 3],
  );

describe('options', () => {
  it.each([2, 9, 21, 14.5])('refuses depth %p', (depth) => {
    expect(cifarResnet.options.safeParse({ depth }).error?.issues[0].path).toEqual(['depth']);
  });
});

describeEachBackend('students', () => {
  it.each([
    [cifarResnet, { depth: 8 }, { logits: [10], embedding: [64], featureMap: [8, 8, 64] }],
    [cifarResnet, { depth: 14, width: [4, 8, 12] }, { logits: [10], embedding: [12], featureMap: [8, 8, 12] }],
    [smallCnn, { width: 6 }, { logits: [10], embedding: [24], featureMap: [4, 4, 24] }],
  ])('%# give what they offer, and have the parameters they count', async (part, options, offers) => {
    const student = await make(part, options);
    expect(student.offers).toEqual(offers);
    expect(Object.keys(student.offers)).toEqual(['logits', 'embedding', 'featureMap']);
    const output = forward(student, { image: image() }, { training: false });
    expect(outputTensors(output).map(({ shape }) => shape.slice(1))).toEqual(Object.values(offers));
    const { trainable } = namedWeights(student.model);
    const sizes = Object.values(trainable).map(({ size }) => size);
    expect(sizes.reduce((a, b) => a + b)).toBe(student.parameters);
    // The embedding is the map's mean, the map is past its ReLU.
    await expectClose(output.embedding!, await output.featureMap!.mean([1, 2]).data());
    expect((await output.featureMap!.min().data())[0]).toBe(0);
    student.model.dispose();
  });

  it('normalize pixels in their first layer, which stays out of the gradients', async () => {
    const { model } = await make(smallCnn, { width: 2 });
    const normalized = model.getLayer('normalize').apply(image()) as tf.Tensor;
    const expected = Float32Array.from(await image().data(), (x, i) => {
      const channel = i % 3;
      return (x - [0.5, 0.4, 0.3][channel]) / [0.2, 0.25, 0.5][channel];
    });
    await expectClose(normalized, expected);
    expect(Object.keys(namedWeights(model).trainable).filter((key) => key.startsWith('normalize'))).toEqual([]);
    model.dispose();
  });

  it('compute convolution, batch norm, ReLU, pooling and dense as written out', async () => {
    const context = studentContext({ imageShape: [8, 8, 3], normalization: { mean: [0, 0, 0], deviation: [1, 1, 1] } });
    const student = await make(smallCnn, { width: 2 }, context);
    const weights = Object.fromEntries(
      Object.entries(namedWeights(student.model).trainable).map(([key, value]) => [key, value.dataSync()]),
    );
    // 8 -> 4 -> 2 -> 1: `same` with stride 2 on an even size pads after the last row and column only.
    let map = Array.from(image(8, 1).dataSync());
    let [size, channels] = [8, 3];
    for (const [layer, filters] of [2, 4, 8].entries()) {
      const kernel = weights[`layer${layer + 1}_conv/kernel`];
      const next: number[] = [];
      for (let y = 0; y < size / 2; y++) {
        for (let x = 0; x < size / 2; x++) {
          for (let k = 0; k < filters; k++) {
            let sum = 0;
            for (let i = 0; i < 3; i++) {
              for (let j = 0; j < 3; j++) {
                if (2 * y + i >= size || 2 * x + j >= size) continue;
                for (let c = 0; c < channels; c++) {
                  const pixel = map[((2 * y + i) * size + 2 * x + j) * channels + c];
                  sum += pixel * kernel[((i * 3 + j) * channels + c) * filters + k];
                }
              }
            }
            next.push(Math.max(0, sum / Math.sqrt(1 + 1e-5)));
          }
        }
      }
      map = next;
      size /= 2;
      channels = filters;
    }
    const logits = Array.from({ length: 10 }, (_, c) =>
      map.reduce((sum, value, i) => sum + value * weights['logits/kernel'][i * 10 + c], weights['logits/bias'][c]),
    );
    const output = forward(student, { image: image(8, 1) }, { training: false });
    await expectClose(output.featureMap!, map);
    await expectClose(output.logits!, logits);
    student.model.dispose();
  });

  it('start from the values of the seed, whatever was built before', async () => {
    const values = async (seed: number) => {
      const { model } = await make(smallCnn, { width: 4 }, studentContext({}, seed));
      const data = await Promise.all(Object.values(namedWeights(model).trainable).map((weight) => weight.data()));
      model.dispose();
      return data;
    };
    const [first, again, other] = [await values(1), await values(1), await values(2)];
    expect(again).toEqual(first);
    expect(other[0]).not.toEqual(first[0]);
  });

  it('draw convolutions from N(0, 2 / fan_out) and the classifier from U(±1 / √fan_in)', async () => {
    const { model } = await make(cifarResnet, { depth: 8 });
    const { trainable } = namedWeights(model);
    const moments = async (key: string) => {
      const values = Array.from(await trainable[key].data());
      const mean = values.reduce((a, b) => a + b) / values.length;
      return { mean, variance: values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length, values };
    };
    // 36,864 values: 5 standard errors of the variance are 2 · 5 / √(2 · 36,864) = 3.7 %
    const conv = await moments('stage3_block1_2_conv/kernel');
    const variance = 2 / (9 * 64);
    expect(Math.abs(conv.variance / variance - 1)).toBeLessThan(0.037);
    expect(Math.abs(conv.mean)).toBeLessThan(5 * Math.sqrt(variance / conv.values.length));
    const dense = await moments('logits/kernel');
    expect(Math.max(...dense.values.map(Math.abs))).toBeLessThanOrEqual(1 / 8);
    expect(Math.abs(dense.variance / (1 / 64 / 3) - 1)).toBeLessThan(0.2);
    expect(await trainable['stem_norm/gamma'].data()).toEqual(new Float32Array(16).fill(1));
    model.dispose();
  });

  it('pass gradients to every trainable weight', async () => {
    const student = await make(cifarResnet, { depth: 8, width: [2, 3, 4] });
    const { trainable } = namedWeights(student.model);
    const { value, grads } = tf.variableGrads(
      () => forward(student, { image: image() }, { training: true }).logits!.square().sum() as tf.Scalar,
      Object.values(trainable),
    );
    for (const [key, variable] of Object.entries(trainable)) {
      expect([key, (await grads[variable.name].abs().max().data())[0] > 0]).toEqual([key, true]);
    }
    tf.dispose([value, grads]);
    student.model.dispose();
  });

  it('leave nothing behind when their model is disposed', async () => {
    await expectNoLeak(async () => {
      (await make(cifarResnet, { depth: 8, width: [2, 3, 4] })).model.dispose();
    });
  });
});
