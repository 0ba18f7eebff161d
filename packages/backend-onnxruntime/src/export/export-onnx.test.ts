import * as tf from '@tensorflow/tfjs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { exportOnnx, type OnnxExport, type OnnxExportOptions } from './export-onnx.js';
import { readOnnxFile } from './onnx-file.js';

const { layers } = tf;

beforeAll(async () => {
  tf.env().set('IS_TEST', true);
  await tf.setBackend('cpu');
});

/** Weights that are no constants, so that what is mixed up shows. */
function filled<M extends tf.LayersModel>(model: M): M {
  let next = 0;
  tf.tidy(() =>
    model.setWeights(
      model.weights.map(({ name, shape }) => {
        const positive = /variance/.test(name) ? 0.5 : 0;
        const values = Float32Array.from({ length: tf.util.sizeFromShape(shape as number[]) }, () => {
          const value = Math.sin(1.7 * next++) * 0.4;
          return positive ? Math.abs(value) + positive : value;
        });
        return tf.tensor(values, shape as number[]);
      }),
    ),
  );
  return model;
}

/** What a file gives for these inputs, opened as anybody would. */
async function run({ bytes, inputs, outputs }: OnnxExport, fed: tf.Tensor[]): Promise<Record<string, Float32Array>> {
  const session = await InferenceSession.create(bytes);
  const results = await session.run(
    Object.fromEntries(
      fed.map((tensor, i) => [
        inputs[i].name,
        new Tensor(tensor.dtype as 'float32', tensor.dataSync() as Float32Array, tensor.shape),
      ]),
    ),
  );
  await session.release();
  return Object.fromEntries(outputs.map(({ name }) => [name, results[name].data as Float32Array]));
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  return Array.from(a).reduce((largest, value, i) => Math.max(largest, Math.abs(value - b[i])), 0);
}

/** Numbers in [0, n), or in (−1, 1). */
function noise(shape: number[], below?: number): tf.Tensor {
  const values = Float32Array.from({ length: tf.util.sizeFromShape(shape) }, (_, i) => Math.sin(12.9898 * i + 78.233));
  return tf.tensor(below ? values.map((value) => Math.floor((value + 1) * 0.499 * below)) : values, shape);
}

/** Exports a model and compares it at batch sizes that were neither recorded nor checked. */
async function expectSame(model: tf.LayersModel, options: OnnxExportOptions = {}, below?: number): Promise<OnnxExport> {
  const made = await exportOnnx(model, options);
  for (const batch of [1, 5, 64]) {
    const inputs = model.inputs.map(({ shape }) => noise([batch, ...(shape.slice(1) as number[])], below));
    const expected = [model.apply(inputs.length === 1 ? inputs[0] : inputs)].flat() as tf.Tensor[];
    const actual = await run(made, inputs);
    for (const [i, { name }] of made.outputs.entries())
      expect(largestDifference(actual[name], expected[i].dataSync())).toBeLessThan(1e-4);
    tf.dispose([...inputs, ...expected]);
  }
  return made;
}

const operators = ({ bytes }: OnnxExport) => {
  const counts: Record<string, number> = {};
  for (const { op } of readOnnxFile(bytes).nodes) counts[op] = (counts[op] ?? 0) + 1;
  return counts;
};

const apply = (layer: tf.layers.Layer, ...inputs: tf.SymbolicTensor[]) =>
  layer.apply(inputs.length === 1 ? inputs[0] : inputs) as tf.SymbolicTensor;

/** Normalization, two residual blocks, one strided, and a head; all convolutions with batch normalization. */
function resnet(): tf.LayersModel {
  const image = tf.input({ shape: [8, 8, 3], name: 'image' });
  const convNorm = (name: string, x: tf.SymbolicTensor, filters: number, kernelSize: number, strides = 1) =>
    apply(
      layers.batchNormalization({ name: `${name}_norm` }),
      apply(layers.conv2d({ name, filters, kernelSize, strides, padding: 'same', useBias: false }), x),
    );
  const relu = (x: tf.SymbolicTensor) => apply(layers.reLU(), x);
  let x = apply(layers.depthwiseConv2d({ name: 'normalize', kernelSize: 1 }), image);
  x = relu(convNorm('stem', x, 4, 3));
  for (const [block, strides] of [1, 2].entries()) {
    const name = `block${block}`;
    const inner = convNorm(`${name}_b`, relu(convNorm(`${name}_a`, x, 4 * strides, 3, strides)), 4 * strides, 3);
    const shortcut = strides === 1 ? x : convNorm(`${name}_shortcut`, x, 8, 1, strides);
    x = relu(apply(layers.add(), inner, shortcut));
  }
  const pooled = apply(layers.globalAveragePooling2d({ name: 'pool', dataFormat: 'channelsLast' }), x);
  const logits = apply(layers.dense({ name: 'logits', units: 5 }), pooled);
  return filled(tf.model({ inputs: image, outputs: [logits, pooled, x], name: 'resnet' }));
}

const outputs = ['logits', 'embedding', 'featureMap'];

describe('exportOnnx', () => {
  it('gives a residual network whose batch normalization lies in its convolutions', async () => {
    const made = await expectSame(resnet(), { outputs });
    expect(made.inputs).toEqual([{ name: 'image', type: 'float32', shape: ['batch', 8, 8, 3] }]);
    expect(made.outputs.map(({ name, shape }) => [name, shape])).toEqual([
      ['logits', ['batch', 5]],
      ['embedding', ['batch', 8]],
      ['featureMap', ['batch', 4, 4, 8]],
    ]);
    console.log(operators(made), made.differences, made.nodes);
  });
});
