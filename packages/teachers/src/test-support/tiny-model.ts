import * as tf from '@tensorflow/tfjs';
import { tiny } from './tiny-network.js';

/** The tiny network; all three outputs, as a run saves its student, or the logits alone. */
export function tinyModel({
  activation,
  outputs = 1,
}: { activation?: 'softmax'; outputs?: number } = {}): tf.LayersModel {
  const { height, width, features, classes } = tiny;
  const image = tf.input({ shape: [height, width, 3], name: 'image' });
  const conv = tf.layers.conv2d({ name: 'conv', filters: features, kernelSize: 1, useBias: false }).apply(image);
  // Batch norm at its initial averages changes nothing in evaluation mode, and everything in training mode.
  const norm = tf.layers.batchNormalization({ name: 'norm', epsilon: 1e-7 }).apply(conv);
  const map = tf.layers.reLU({ name: 'map' }).apply(norm) as tf.SymbolicTensor;
  const pool = tf.layers
    .globalAveragePooling2d({ name: 'pool', dataFormat: 'channelsLast' })
    .apply(map) as tf.SymbolicTensor;
  const logits = tf.layers.dense({ name: 'dense', units: classes, activation }).apply(pool) as tf.SymbolicTensor;
  const model = tf.model({ inputs: image, outputs: [logits, pool, map].slice(0, outputs), name: 'tiny' });
  tf.tidy(() => {
    model.getLayer('conv').setWeights([tf.tensor(tiny.convolution, [1, 1, 3, features])]);
    model.getLayer('dense').setWeights([tf.tensor(tiny.kernel, [features, classes]), tf.tensor(tiny.bias)]);
  });
  return model;
}
