/**
 * The networks of the training-step benchmark, written with tfjs's own operators as a user would. PyTorch's side of them is
 * torch_train_step.py: parameters come in the same order, and padding, ε and activations are the same, so that a step gives the
 * same loss there.
 */
import * as tf from '@tensorflow/tfjs';

export const imageShape = [32, 32, 3];
export const classes = 10;

/** By name: [B, 32, 32, 3] -> [B, 10], given the layers of {@link createNetwork}. */
export const networks = {
  'resnet-8': (layers, x) => resNet(layers, x, 8),
  'resnet-20': (layers, x) => resNet(layers, x, 20),
  'mobilenet-v2': mobileNetV2,
  vit: visionTransformer,
};

/** CIFAR ResNet of He et al. 2016 §4.2, depth 6n + 2, projection shortcuts. */
function resNet({ convolution, norm, dense }, image, depth) {
  let x = tf.relu(norm(convolution(image, 16, 3)));
  for (const [stage, filters] of [16, 32, 64].entries()) {
    for (let block = 0; block < (depth - 2) / 6; block++) {
      const stride = stage > 0 && block === 0 ? 2 : 1;
      const first = tf.relu(norm(convolution(x, filters, 3, stride)));
      const second = norm(convolution(first, filters, 3));
      const shortcut = stride === 1 ? x : norm(convolution(x, filters, 1, stride));
      x = tf.relu(tf.add(second, shortcut));
    }
  }
  return dense(tf.mean(x, [1, 2]), classes);
}

/** Table 2 of Sandler et al. 2018 (expansion, channels, blocks, stride), the first and the fifth stride 1 for small images. */
function mobileNetV2({ convolution, depthwise, norm, dense }, image) {
  const stages = [
    [1, 16, 1, 1],
    [6, 24, 2, 2],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 1],
    [6, 320, 1, 1],
  ];
  let x = tf.relu6(norm(convolution(image, 32, 3)));
  for (const [expansion, filters, blocks, firstStride] of stages) {
    for (let block = 0; block < blocks; block++) {
      const stride = block === 0 ? firstStride : 1;
      const channels = x.shape[3];
      let y = x;
      if (expansion > 1) y = tf.relu6(norm(convolution(y, channels * expansion, 1)));
      y = tf.relu6(norm(depthwise(y, stride)));
      y = norm(convolution(y, filters, 1));
      x = stride === 1 && channels === filters ? tf.add(x, y) : y;
    }
  }
  x = tf.relu6(norm(convolution(x, 1280, 1)));
  return dense(tf.mean(x, [1, 2]), classes);
}

/** Dosovitskiy et al. 2021: patches of 4, width 192, 6 pre-norm blocks of 3 heads and an MLP of ratio 4, a class token. */
function visionTransformer({ weight, convolution, layerNorm, dense }, image) {
  const [width, heads, blocks] = [192, 3, 6];
  const [batch] = image.shape;
  const classToken = weight([1, 1, width], 0.02);
  const positions = weight([1, 65, width], 0.02);
  const patches = tf.reshape(convolution(image, width, 4, 4, { padding: 0, bias: true }), [batch, 64, width]);
  let x = tf.add(tf.concat([tf.add(tf.zeros([batch, 1, width]), classToken), patches], 1), positions);
  for (let block = 0; block < blocks; block++) {
    const projected = tf.reshape(dense(layerNorm(x), 3 * width), [batch, 65, 3, heads, width / heads]);
    const [query, key, value] = tf.unstack(tf.transpose(projected, [2, 0, 3, 1, 4]));
    const scores = tf.mul(tf.matMul(query, key, false, true), 1 / Math.sqrt(width / heads));
    const mixed = tf.transpose(tf.matMul(tf.softmax(scores), value), [0, 2, 1, 3]);
    x = tf.add(x, dense(tf.reshape(mixed, [batch, 65, width]), width));
    x = tf.add(x, dense(gelu(dense(layerNorm(x), 4 * width)), width));
  }
  return dense(tf.reshape(tf.slice(layerNorm(x), [0, 0, 0], [batch, 1, width]), [batch, width]), classes);
}

function gelu(x) {
  return tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));
}

/**
 * A network with its variables, made on a first pass.
 *
 * @param initial (shape, deviation) -> numbers of the next parameter, deviation 0 for one that starts as `mean`
 */
export function createNetwork(name, initial) {
  const parameters = {};
  const averages = {};
  // The next of each at a pass.
  let [at, averageAt] = [0, 0];
  const variable = (group, key, values, shape, trainable) =>
    (group[key] ??= tf.tidy(() => tf.variable(tf.tensor(values, shape), trainable)));
  const weight = (shape, deviation, mean = 0) => {
    const key = `parameter${at++}`;
    return parameters[key] ?? variable(parameters, key, initial(shape, deviation, mean), shape, true);
  };
  const average = (channels, value) => {
    const key = `average${averageAt++}`;
    return averages[key] ?? variable(averages, key, new Float32Array(channels).fill(value), [channels], false);
  };
  const fanIn = (size) => Math.sqrt(2 / size);
  const layers = {
    weight,
    convolution(x, filters, size, stride = 1, { padding = size >> 1, bias = false } = {}) {
      const channels = x.shape[3];
      const kernel = weight([size, size, channels, filters], fanIn(size * size * channels));
      const y = tf.conv2d(x, kernel, stride, [[0, 0], [padding, padding], [padding, padding], [0, 0]]); // prettier-ignore
      return bias ? tf.add(y, weight([filters], 0)) : y;
    },
    depthwise(x, stride) {
      const kernel = weight([3, 3, x.shape[3], 1], fanIn(9));
      return tf.depthwiseConv2d(x, kernel, stride, [[0, 0], [1, 1], [1, 1], [0, 0]]); // prettier-ignore
    },
    dense(x, units) {
      const inputs = x.shape.at(-1);
      const kernel = weight([inputs, units], Math.sqrt(1 / inputs));
      const y = tf.add(tf.matMul(tf.reshape(x, [-1, inputs]), kernel), weight([units], 0));
      return tf.reshape(y, [...x.shape.slice(0, -1), units]);
    },
    /** What tf.layers.batchNormalization does in training. */
    norm(x) {
      const channels = x.shape[3];
      const [scale, offset] = [weight([channels], 0, 1), weight([channels], 0)];
      const { mean, variance } = tf.moments(x, [0, 1, 2]);
      move(average(channels, 0), mean);
      move(average(channels, 1), variance);
      return tf.batchNorm(x, mean, variance, offset, scale, 1e-5);
    },
    layerNorm(x) {
      const channels = x.shape.at(-1);
      const [scale, offset] = [weight([channels], 0, 1), weight([channels], 0)];
      const { mean, variance } = tf.moments(x, -1, true);
      return tf.add(tf.mul(tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5))), scale), offset);
    },
  };
  const apply = (image) => {
    [at, averageAt] = [0, 0];
    return networks[name](layers, image);
  };
  tf.tidy(() => void apply(tf.zeros([1, ...imageShape])));
  // The first pass moved the averages.
  tf.tidy(() => {
    for (const [i, each] of Object.values(averages).entries()) each.assign(tf.fill(each.shape, i % 2));
  });
  return { parameters, averages, apply };
}

function move(average, value) {
  average.assign(tf.sub(average, tf.mul(tf.sub(average, value), 0.1)));
}
