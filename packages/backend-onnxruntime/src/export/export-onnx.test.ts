import * as tf from '@tensorflow/tfjs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { RetortError } from '@retort/core';
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
    const { Conv, Add, BatchNormalization, Mul } = operators(made);
    // Two sums are the residual ones; every normalization is in a convolution.
    expect({ Conv, Add, BatchNormalization, Mul }).toEqual({ Conv: 7, Add: 2 });
  });

  it('gives depthwise separable convolutions of MobileNet', async () => {
    const model = tf.sequential({ name: 'mobile' });
    model.add(
      layers.conv2d({ inputShape: [8, 8, 3], filters: 4, kernelSize: 3, strides: 2, padding: 'same', useBias: false }),
    );
    for (const [filters, strides] of [
      [8, 1],
      [6, 2],
    ]) {
      model.add(layers.depthwiseConv2d({ kernelSize: 3, strides, padding: 'same', useBias: false }));
      model.add(layers.batchNormalization());
      model.add(layers.reLU({ maxValue: 6 }));
      model.add(layers.conv2d({ filters, kernelSize: 1, padding: 'same', useBias: false }));
      model.add(layers.batchNormalization());
      model.add(layers.reLU({ maxValue: 6 }));
    }
    model.add(layers.separableConv2d({ filters: 6, kernelSize: 3, padding: 'same', activation: 'relu' }));
    model.add(layers.averagePooling2d({ poolSize: 2 }));
    model.add(layers.flatten());
    model.add(layers.dense({ units: 3, activation: 'softmax' }));
    const { Conv, Transpose, Mul, Add } = operators(await expectSame(filled(model)));
    // One transpose into ONNX's layout, one out of it before the dense layer.
    expect({ Conv, Transpose, Mul, Add }).toEqual({ Conv: 7, Transpose: 2 });
  });

  it('gives recurrent networks over embeddings', async () => {
    const model = tf.sequential();
    model.add(layers.embedding({ inputDim: 11, outputDim: 6, inputLength: 7 }));
    model.add(
      layers.bidirectional({ layer: layers.lstm({ units: 4, returnSequences: true }) as tf.RNN, mergeMode: 'concat' }),
    );
    model.add(layers.gru({ units: 5 }));
    model.add(layers.dense({ units: 3 }));
    await expectSame(filled(model), {}, 11);
  });

  it('gives dense networks with several inputs and outputs', async () => {
    const [a, b] = [tf.input({ shape: [4], name: 'a' }), tf.input({ shape: [3], name: 'b' })];
    const hidden = apply(layers.dense({ units: 6, activation: 'tanh' }), apply(layers.concatenate(), a, b));
    const model = tf.model({
      inputs: [a, b],
      outputs: [
        apply(layers.dense({ units: 2, name: 'mean' }), apply(layers.dropout({ rate: 0.5 }), hidden)),
        apply(layers.dense({ units: 2, activation: 'softplus', name: 'deviation' }), hidden),
        hidden,
        b,
      ],
    });
    const made = await expectSame(filled(model), {
      inputs: ['state', 'goal'],
      outputs: ['mean', 'deviation', 'hidden', 'same'],
    });
    expect(made.inputs.map(({ name }) => name)).toEqual(['state', 'goal']);
  });

  it('gives networks in networks, read twice', async () => {
    const inner = tf.sequential({ name: 'inner' });
    inner.add(layers.conv2d({ inputShape: [6, 6, 3], filters: 4, kernelSize: 3 }));
    inner.add(layers.batchNormalization());
    const [a, b] = ['a', 'b'].map((name) => tf.input({ shape: [6, 6, 3], name }));
    const [left, right] = [a, b].map((input) => apply(layers.flatten(), inner.apply(input) as tf.SymbolicTensor));
    const likeness = apply(layers.dot({ axes: 1, name: 'likeness' }), left, right);
    const made = await expectSame(filled(tf.model({ inputs: [a, b], outputs: likeness })));
    expect(made.outputs).toEqual([{ name: 'likeness', type: 'float32', shape: ['batch', 1] }]);
    const { Conv, Mul } = operators(made);
    // The product is the likeness's own.
    expect({ Conv, Mul }).toEqual({ Conv: 2, Mul: 1 });
  });

  it('gives transformer blocks', async () => {
    // One head of attention and a gated product, of stock layers.
    const tokens = tf.input({ shape: [5, 8], name: 'tokens' });
    const norm = apply(layers.layerNormalization(), tokens);
    const project = () => apply(layers.dense({ units: 8 }), norm);
    const scores = apply(
      layers.activation({ activation: 'softmax' }),
      apply(layers.dot({ axes: 2 }), project(), project()),
    );
    const attended = apply(layers.add(), tokens, apply(layers.dot({ axes: [2, 1] }), scores, project()));
    const wide = apply(
      layers.dense({ units: 16, activation: 'gelu' as never }),
      apply(layers.layerNormalization(), attended),
    );
    const out = apply(layers.add(), attended, apply(layers.dense({ units: 8 }), wide));
    const model = tf.model({ inputs: tokens, outputs: apply(layers.globalAveragePooling1d(), out) });
    await expectSame(filled(model));
  });

  it('gives networks with pooling, padding, upsampling, transposed convolution and other activations', async () => {
    const image = tf.input({ shape: [6, 6, 3], name: 'image' });
    let x = apply(
      layers.conv2d({ filters: 4, kernelSize: 3, dilationRate: 2, activation: 'elu' }),
      apply(layers.zeroPadding2d({ padding: 2 }), image),
    );
    x = apply(layers.prelu(), apply(layers.maxPooling2d({ poolSize: 2, strides: 2 }), x));
    x = apply(
      layers.leakyReLU({ alpha: 0.1 }),
      apply(layers.conv2dTranspose({ filters: 3, kernelSize: 3, strides: 2, padding: 'same' }), x),
    );
    x = apply(
      layers.multiply(),
      x,
      apply(layers.upSampling2d({ size: [2, 2] }), apply(layers.averagePooling2d({ poolSize: 2 }), x)),
    );
    x = apply(
      layers.cropping2D({
        cropping: [
          [1, 0],
          [0, 1],
        ],
      }),
      x,
    );
    const model = tf.model({
      inputs: image,
      outputs: [
        x,
        apply(layers.globalMaxPooling2d({ dataFormat: 'channelsLast' }), x),
        apply(layers.permute({ dims: [3, 1, 2] }), x),
      ],
    });
    await expectSame(filled(model));
  });

  it.each([13, 14, 15, 16, 17, 18, 19, 20, 21, 22])('writes for opset %i', async (opset) => {
    const made = await exportOnnx(resnet(), { opset, outputs });
    expect(made.opset).toBe(opset);
    expect(made.differences.every(({ difference }) => difference < 1e-5)).toBe(true);
  });

  it('fixes the batch size', async () => {
    const made = await exportOnnx(resnet(), { batch: 3, outputs });
    expect(made.inputs[0].shape).toEqual([3, 8, 8, 3]);
    expect(made.differences.map(({ batch }) => batch)).toEqual([3, 3, 3, 3, 3, 3]);
    await expect(run(made, [noise([2, 8, 8, 3])])).rejects.toThrow('invalid dimensions');
  });

  it('takes bytes, and images by channel', async () => {
    const model = resnet();
    const made = await exportOnnx(model, { pixels: 'uint8', layout: 'nchw', outputs });
    expect(made.inputs).toEqual([{ name: 'image', type: 'uint8', shape: ['batch', 3, 8, 8] }]);
    expect(made.outputs[2].shape).toEqual(['batch', 8, 4, 4]);
    const bytes = Uint8Array.from({ length: 2 * 192 }, (_, i) => (i * 37) % 256);
    const session = await InferenceSession.create(made.bytes);
    const { logits } = await session.run({ image: new Tensor('uint8', bytes, [2, 3, 8, 8]) });
    const pixels = tf
      .tensor4d(
        Float32Array.from(bytes, (byte) => byte / 255),
        [2, 3, 8, 8],
      )
      .transpose([0, 2, 3, 1]);
    const [expected] = model.apply(pixels) as tf.Tensor[];
    expect(largestDifference(logits.data as Float32Array, expected.dataSync())).toBeLessThan(1e-5);
  });

  it('leaves preprocessing to who feeds it, and says what it is', async () => {
    const model = resnet();
    const made = await exportOnnx(model, { preprocessing: 'outside', outputs });
    const [kernel, bias] = model
      .getLayer('normalize')
      .getWeights()
      .map((tensor) => Array.from(tensor.dataSync()));
    for (const c of [0, 1, 2]) {
      expect(made.preprocessing!.scale[c]).toBeCloseTo(kernel[c], 6);
      expect(made.preprocessing!.shift[c]).toBeCloseTo(bias[c], 6);
    }
    const pixels = noise([3, 8, 8, 3]);
    const [expected] = model.apply(pixels) as tf.Tensor[];
    const { logits } = await run(made, [pixels.mul(kernel).add(bias)]);
    expect(largestDifference(logits, expected.dataSync())).toBeLessThan(1e-5);
    // Without the layer there is nothing to convolve per channel.
    expect(operators(made).Conv).toBe(6);
  });

  it('says what it is', async () => {
    const { bytes } = await exportOnnx(resnet(), {
      name: 'tiny',
      documentation: 'for tests',
      metadata: { classes: '["a"]' },
    });
    const text = Buffer.from(bytes).toString('latin1');
    for (const part of ['@retort/backend-onnxruntime', 'tiny', 'for tests', 'classes', '["a"]'])
      expect(text).toContain(part);
  });

  it('leaves the model, its backend and no tensors behind', async () => {
    const model = resnet();
    const before = [tf.memory().numTensors, tf.memory().numDataBuffers];
    await exportOnnx(model);
    expect([tf.memory().numTensors, tf.memory().numDataBuffers]).toEqual(before);
    expect(tf.getBackend()).toBe('cpu');
    expect(Object.keys(model.layers[1]).includes('call')).toBe(false);
  });

  it('compares with cpu when onnxruntime is the backend in use', async () => {
    const model = resnet();
    const expected = await exportOnnx(model, { outputs });
    tf.env().set('IS_TEST', false);
    await tf.setBackend('onnxruntime');
    try {
      const made = await exportOnnx(model, { outputs });
      expect(tf.getBackend()).toBe('onnxruntime');
      expect(made.reference).toBe('cpu');
      expect(Buffer.compare(made.bytes, expected.bytes)).toBe(0);
    } finally {
      await tf.setBackend('cpu');
      tf.env().set('IS_TEST', true);
    }
  });

  it('is the same file again', async () => {
    const model = resnet();
    const files = [await exportOnnx(model, { outputs }), await exportOnnx(model, { outputs })];
    expect(Buffer.compare(files[0].bytes, files[1].bytes)).toBe(0);
  });
});

describe('exportOnnx refuses', () => {
  const refusal = async (model: tf.LayersModel, options: OnnxExportOptions = {}): Promise<string> => {
    const error = (await exportOnnx(model, options).catch((thrown: unknown) => thrown)) as RetortError;
    if (!(error instanceof RetortError)) throw error;
    expect(tf.getBackend()).toBe('cpu');
    return error.text;
  };
  const dense = () => {
    const model = tf.sequential({ name: 'small' });
    model.add(layers.dense({ inputShape: [4], units: 2, name: 'logits' }));
    return filled(model);
  };

  it('a layer without an ONNX form, by name and kernel', async () => {
    const model = tf.sequential();
    model.add(layers.conv3d({ inputShape: [3, 4, 4, 1], filters: 2, kernelSize: 2, name: 'cube' }));
    expect(await refusal(filled(model))).toContain(
      'layer "cube" has no ONNX form: the backend does not record tfjs\'s kernel Conv3D',
    );
  });

  it('a layer that depends on the size of the batch, unless the batch is fixed', async () => {
    class Share extends layers.Layer {
      static className = 'Share';
      override call(inputs: tf.Tensor | tf.Tensor[]) {
        const [x] = [inputs].flat();
        return x.mul(1 / x.shape[0]);
      }
    }
    const input = tf.input({ shape: [4] });
    const model = tf.model({ inputs: input, outputs: apply(new Share({ name: 'share' }), input) });
    expect(await refusal(model)).toMatch(/layer "share" works differently at batch sizes 2 and 3: .*\n.*--batch 1/);
    await exportOnnx(model, { batch: 4 });
  });

  it('a layer that reads numbers back', async () => {
    class Reads extends layers.Layer {
      static className = 'Reads';
      override call(inputs: tf.Tensor | tf.Tensor[]) {
        const [x] = [inputs].flat();
        return x.mul(x.mul(2).sum().dataSync()[0]);
      }
    }
    const input = tf.input({ shape: [4] });
    const model = tf.model({ inputs: input, outputs: apply(new Reads({ name: 'reads' }), input) });
    expect(await refusal(model)).toContain('layer "reads" has no ONNX form: it reads numbers back');
  });

  it('a layer with a state', async () => {
    const model = tf.sequential();
    model.add(layers.lstm({ batchInputShape: [3, 5, 2], units: 4, stateful: true, name: 'memory' }));
    expect(await refusal(model)).toContain('layer "memory" keeps its state from call to call');
  });

  it('a file that does not give what the model gives', async () => {
    class Counts extends layers.Layer {
      static className = 'Counts';
      #calls = 0;
      override call(inputs: tf.Tensor | tf.Tensor[]) {
        return [inputs].flat()[0].add(this.#calls++);
      }
    }
    const input = tf.input({ shape: [4] });
    const model = tf.model({ inputs: input, outputs: apply(new Counts({ name: 'counts' }), input) });
    // Recorded at its first call, compared with its second.
    expect(await refusal(model, { batch: 2 })).toMatch(
      /^output "counts" differs by 1(\.0\d*)? from the network's at batch size 2/,
    );
    expect((await exportOnnx(model, { batch: 2, tolerance: 3 })).differences).toHaveLength(2);
  });

  it('a network that gives no numbers', async () => {
    const model = dense();
    tf.tidy(() => model.setWeights([tf.fill([4, 2], NaN), tf.zeros([2])]));
    expect(await refusal(model)).toContain('the network gives NaN in output "logits"');
  });

  it.each([
    [{ opset: 12 }, 'opset 12 cannot be exported for; choose from 13 to 22, usual: 17'],
    [{ batch: 0 }, 'a batch of 0 images'],
    [{ preprocessing: 'outside' }, 'network "small" has no preprocessing to leave out'],
    [{ preprocessing: 'outside', pixels: 'uint8' }, 'uint8 pixels need their preprocessing inside'],
    [{ outputs: ['a', 'b'] }, 'the network has 1 outputs, 2 names were given: a, b'],
    [{ inputs: ['a'], outputs: ['a'] }, 'two inputs or outputs are called "a"'],
    [{ shapes: [[5]] }, 'is [B, 4], which [5] does not fit'],
  ] as const)('%j', async (options, message) => {
    expect(await refusal(dense(), options as OnnxExportOptions)).toContain(message);
  });

  it('sizes that are not known, and takes them', async () => {
    const model = tf.sequential();
    model.add(layers.conv2d({ inputShape: [null, null, 3] as never, filters: 2, kernelSize: 3 }));
    expect(await refusal(filled(model))).toContain('is [B, any, any, 3]; an ONNX file needs its sizes');
    const { outputs } = await exportOnnx(model, { shapes: [[6, 5, 3]] });
    expect(outputs[0].shape).toEqual(['batch', 4, 3, 2]);
  });
});
