import * as tf from '@tensorflow/tfjs';
import { Seeds } from '@retort/core';
import { backends, expectClose, expectNoLeak, useBackend } from '@retort-tools/testing';
import { register } from './kernels.js';

beforeAll(() => register());

function drawn(name: string, shape: number[]): tf.Tensor {
  return tf.tensor(new Seeds(7).stream(name).fill(new Float32Array(tf.util.sizeFromShape(shape)), 'normal'), shape);
}

/** Every kind of layer that a small CNN is made of. */
function network(): tf.LayersModel {
  const input = tf.input({ shape: [9, 9, 3] });
  const layers = [
    tf.layers.conv2d({ filters: 8, kernelSize: 3, padding: 'same', useBias: false }),
    tf.layers.batchNormalization(),
    tf.layers.activation({ activation: 'relu' }),
    tf.layers.zeroPadding2d({ padding: 1 }),
    tf.layers.depthwiseConv2d({ kernelSize: 3, strides: 2, padding: 'same', activation: 'relu6' }),
    tf.layers.separableConv2d({ filters: 12, kernelSize: 3, padding: 'valid', activation: 'tanh' }),
    tf.layers.maxPooling2d({ poolSize: 2, strides: 1, padding: 'same' }),
    tf.layers.conv2d({ filters: 12, kernelSize: 2, strides: 2, padding: 'same', activation: 'sigmoid' }),
    tf.layers.averagePooling2d({ poolSize: 2, strides: 1, padding: 'same' }),
    tf.layers.globalAveragePooling2d({ dataFormat: 'channelsLast' }),
    tf.layers.layerNormalization(),
    tf.layers.dense({ units: 5 }),
  ];
  const model = tf.model({
    inputs: input,
    outputs: layers.reduce((x, layer) => layer.apply(x) as tf.SymbolicTensor, input),
  });
  tf.tidy(() =>
    model.setWeights(
      model.getWeights().map((weight, i) => {
        // statistics and scales start at their usual values, kernels at seeded ones
        if (weight.rank === 1) return weight;
        return tf.mul(
          drawn(`weight ${i}`, weight.shape),
          Math.sqrt(2 / tf.util.sizeFromShape(weight.shape.slice(0, -1))),
        );
      }),
    ),
  );
  return model;
}

function train(steps: number): number[] {
  const model = network();
  const images = drawn('images', [8, 9, 9, 3]);
  const labels = tf.tidy(() => tf.oneHot(tf.tensor1d([0, 1, 2, 3, 4, 0, 1, 2], 'int32'), 5).toFloat());
  const variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
  const step = () =>
    tf.tidy(() => {
      const { value, grads } = tf.variableGrads(() => {
        const logits = model.apply(images, { training: true }) as tf.Tensor;
        return tf.neg(tf.mean(tf.sum(tf.mul(labels, tf.logSoftmax(logits)), -1)));
      }, variables);
      for (const variable of variables) variable.assign(tf.sub(variable, tf.mul(grads[variable.name], 0.1)));
      return value.dataSync()[0];
    });
  const losses = [step()];
  const before = { tensors: tf.memory().numTensors, ids: tf.backend().numDataIds() };
  for (let i = 1; i < steps; i++) losses.push(step());
  expect(tf.memory().numTensors).toBe(before.tensors);
  expect(tf.backend().numDataIds()).toBe(before.ids);
  model.dispose();
  tf.dispose([images, labels]);
  return losses;
}

it('trains a small CNN to the same losses on cpu and wasm, leaving nothing behind', async () => {
  const losses: number[][] = [];
  for (const backend of backends) {
    await useBackend(backend);
    await expectNoLeak(() => {
      losses.push(train(8));
    });
  }
  await expectClose(losses[1], losses[0], { absolute: 1e-4, relative: 0 });
  expect(losses[0][7]).toBeLessThan(losses[0][0]);
});

const functions: Record<string, (x: tf.Tensor4D) => tf.Tensor> = {
  'sum over positions': (x) => tf.sum(x, [0, 1, 2]),
  'sum with kept axes': (x) => tf.sum(x, [1, 2], true),
  'sum of all': (x) => tf.sum(x),
  'mean over pixels': (x) => tf.mean(x, [1, 2]),
  'mean over the last axis': (x) => tf.mean(x, -1),
  moments: (x) => tf.moments(x, [0, 1, 2]).variance,
  tile: (x) => tf.tile(x, [1, 2, 3, 1]),
  'tile of the batch and channels': (x) => tf.tile(x, [2, 1, 1, 2]),
  'batch normalization': (x) => {
    const perChannel = tf.mean(x, [0, 1, 2]) as tf.Tensor1D;
    return tf.batchNorm(x, perChannel, tf.square(perChannel), perChannel, tf.exp(perChannel), 0.01);
  },
  concat: (x) => tf.concat([x, tf.square(x)], 3),
  stack: (x) => tf.stack([x, tf.square(x)], 2),
  pad: (x) => tf.pad(x, [[0, 0], [1, 0], [2, 1], [0, 0]]), // prettier-ignore
  gather: (x) => tf.gather(x, tf.tensor1d([1, 1, 0], 'int32'), 3),
  'max pooling of negative values': (x) => tf.maxPool(tf.sub(x, 3) as tf.Tensor4D, 3, 2, 'same'),
  // square: the gradient on cpu is wrong for other images
  resize: (x) => tf.image.resizeBilinear(tf.slice(x, [0, 0, 0, 0], [3, 4, 4, 4]), [3, 7]),
  logSoftmax: (x) => tf.logSoftmax(x),
  gelu: (x) => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1)),
  'matrix product': (x) => tf.matMul(tf.reshape(x, [3, 20, 4]), tf.reshape(x, [3, 20, 4]), true),
  'broadcast product': (x) => tf.mul(x, tf.mean(x, [0, 1, 2])),
};

it.each(Object.entries(functions))('has the gradient of %s that cpu has', async (name, apply) => {
  const gradients: Float32Array[] = [];
  for (const backend of backends) {
    await useBackend(backend);
    await expectNoLeak(() => {
      const x = tf.tidy(() => tf.variable(drawn(name, [3, 4, 5, 4])));
      const { value, grads } = tf.variableGrads(() => tf.sum(tf.square(apply(x as tf.Tensor4D))), [x]);
      gradients.push(grads[x.name].dataSync() as Float32Array);
      tf.dispose([x, value, grads]);
    });
  }
  await expectClose(gradients[1], gradients[0], { absolute: 1e-4, relative: 1e-3 });
});
