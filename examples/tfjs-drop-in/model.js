import * as tf from '@tensorflow/tfjs';
import { classes, size } from './digits.js';

/** A small convolutional network; seeded, so that it starts from the same weights on every backend. */
export function createModel() {
  let seed = 1;
  const kernelInitializer = () => tf.initializers.heNormal({ seed: seed++ });
  const convolution = (filters, first = {}) =>
    tf.layers.conv2d({
      ...first,
      filters,
      kernelSize: 3,
      padding: 'same',
      useBias: false,
      kernelInitializer: kernelInitializer(),
    });
  const model = tf.sequential();
  model.add(convolution(16, { inputShape: [size, size, 1] }));
  model.add(tf.layers.batchNormalization({ momentum: 0.8 }));
  model.add(tf.layers.reLU());
  model.add(tf.layers.maxPooling2d({ poolSize: 2 }));
  model.add(convolution(32));
  model.add(tf.layers.batchNormalization({ momentum: 0.8 }));
  model.add(tf.layers.reLU());
  model.add(tf.layers.maxPooling2d({ poolSize: 2 }));
  model.add(tf.layers.flatten());
  model.add(tf.layers.dropout({ rate: 0.25, seed: 1 }));
  model.add(tf.layers.dense({ units: classes, activation: 'softmax', kernelInitializer: kernelInitializer() }));
  model.compile({ optimizer: tf.train.adam(0.003), loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
  return model;
}
