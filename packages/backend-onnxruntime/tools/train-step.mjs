/**
 * Trains a small network for a few steps on an execution provider of onnxruntime and prints what came out as JSON: a child
 * process of src/webgpu.full-test.ts, since a GPU driver that crashes takes the process with it.
 *
 *   node tools/train-step.mjs PROVIDER [STEPS]
 */
import * as tf from '@tensorflow/tfjs';
import { compile } from '@retort/nn';
import { register } from '@retort/backend-onnxruntime';

const [provider = 'cpu', steps = '6'] = process.argv.slice(2);
register({ executionProviders: [provider], cacheSize: 2 });
await tf.setBackend('onnxruntime');

/** Numbers between -1 and 1 that look random and are the same on every backend. */
function numbers(shape, seed) {
  const size = shape.reduce((product, n) => product * n, 1);
  const values = Float32Array.from({ length: size }, (_, i) => {
    const x = Math.sin((i + 1) * 12.9898 + seed * 78.233) * 43758.5453;
    return 2 * (x - Math.floor(x)) - 1;
  });
  return tf.tensor(values, shape);
}

const [batch, size, channels, classes] = [8, 8, 8, 5];
const variable = (name, shape, scale, seed) => tf.variable(numbers(shape, seed).mul(scale), true, name);
const weights = {
  stem: variable('stem', [3, 3, 3, channels], 0.5, 1),
  depthwise: variable('depthwise', [3, 3, channels, 1], 0.5, 2),
  pointwise: variable('pointwise', [1, 1, channels, channels], 0.6, 3),
  strided: variable('strided', [3, 3, channels, 2 * channels], 0.3, 4),
  gamma: tf.variable(tf.ones([channels]), true, 'gamma'),
  beta: tf.variable(tf.zeros([channels]), true, 'beta'),
  dense: variable('dense', [2 * channels, classes], 0.5, 5),
  bias: tf.variable(tf.zeros([classes]), true, 'bias'),
};
const trainable = Object.values(weights);
const moving = {
  mean: tf.variable(tf.zeros([channels]), false, 'mean'),
  variance: tf.variable(tf.ones([channels]), false, 'variance'),
};
const velocity = Object.fromEntries(
  Object.entries(weights).map(([name, { shape }]) => [`velocity/${name}`, tf.variable(tf.zeros(shape), false)]),
);

function logitsOf(image) {
  const x = tf.relu(tf.conv2d(image, weights.stem, 1, 'same'));
  const { mean, variance } = tf.moments(x, [0, 1, 2]);
  moving.mean.assign(moving.mean.mul(0.9).add(mean.mul(0.1)));
  moving.variance.assign(moving.variance.mul(0.9).add(variance.mul(0.1)));
  const normalized = tf.batchNorm(x, mean, variance, weights.beta, weights.gamma, 1e-3);
  const separable = tf.conv2d(
    tf.depthwiseConv2d(normalized, weights.depthwise, 1, 'same'),
    weights.pointwise,
    1,
    'same',
  );
  const pooled = tf.maxPool(tf.relu(separable.add(x)), 2, 2, 'same');
  const strided = tf.relu(tf.conv2d(pooled, weights.strided, 2, 'same'));
  return strided.mean([1, 2]).matMul(weights.dense).add(weights.bias);
}

/** Cross-entropy plus distillation from teacher logits, per sample; momentum. */
function step({ image, label, teacher, learningRate }) {
  const temperature = 4;
  const loss = () => {
    const logits = logitsOf(image);
    const task = tf.logSoftmax(logits).mul(tf.oneHot(label, classes).toFloat()).sum(1).neg();
    const logStudent = tf.logSoftmax(logits.div(temperature));
    const logTeacher = tf.logSoftmax(teacher.div(temperature));
    const kd = logTeacher.exp().mul(logTeacher.sub(logStudent)).sum(1);
    return task.add(kd.mul(temperature ** 2)).mean();
  };
  const { value, grads } = tf.variableGrads(loss, trainable);
  for (const [name, weight] of Object.entries(weights)) {
    const slot = velocity[`velocity/${name}`];
    slot.assign(slot.mul(0.9).add(grads[weight.name]));
    weight.assign(weight.sub(slot.mul(learningRate)));
  }
  return { loss: value };
}

const run = compile(step, { variables: { ...weights, ...moving, ...velocity } });
const losses = [];
const milliseconds = [];
for (let i = 0; i < Number(steps); i++) {
  const inputs = {
    image: numbers([batch, size, size, 3], 100 + (i % 2)),
    label: tf.tensor1d(
      Array.from({ length: batch }, (_, b) => (b + i) % classes),
      'int32',
    ),
    teacher: numbers([batch, classes], 200 + (i % 2)).mul(3),
    learningRate: tf.scalar(0.05),
  };
  const began = performance.now();
  const { loss } = run(inputs);
  losses.push(loss.dataSync()[0]);
  milliseconds.push(performance.now() - began);
  tf.dispose([inputs, loss]);
}

// Other graphs push the step's out of the cache while its results live on.
for (const size of [1, 2, 3]) tf.tidy(() => tf.ones([size]).add(1).dataSync());
// Of variables that nobody has read.
const { numBytesInGPU } = tf.memory();
const read = Object.fromEntries(
  Object.entries({ ...weights, ...moving }).map(([name, each]) => [name, [...each.dataSync()]]),
);
console.log(
  JSON.stringify({
    provider,
    losses,
    weights: read,
    numBytesInGPU,
    milliseconds: milliseconds.map(Math.round),
    statistics: tf.backend().statistics(),
  }),
);
tf.removeBackend('onnxruntime');
