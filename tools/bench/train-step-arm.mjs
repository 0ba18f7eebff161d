/**
 * One arm of train-step.mjs in a process of its own: prints a JSON line.
 *
 *   node train-step-arm.mjs MODEL BACKEND THREADS BATCH SECONDS DATA
 *
 * DATA holds images [B, 32, 32, 3] and the parameters in the network's order, float32.
 */
import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { bindOptimizer, compile, createSgd, gradientsOf } from '@retort/nn';
import { classes, createNetwork, imageShape } from './networks.mjs';

const [model, backend, threads, batch, seconds, data] = process.argv.slice(2);

const starts = {
  async 'stock-wasm'() {
    const { registerStockWasm } = await import('./stock-wasm.mjs');
    registerStockWasm();
    await tf.setBackend('wasm');
  },
  async wasm() {
    const { register } = await import('@retort/backend-wasm');
    register();
    await tf.setBackend('wasm');
  },
  async onnxruntime() {
    const { register } = await import('@retort/backend-onnxruntime');
    register({ threads: Number(threads) });
    await tf.setBackend('onnxruntime');
  },
};
await starts[backend]();
await tf.ready();

const bytes = readFileSync(data);
const numbers = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
let position = 0;
const next = (shape) => numbers.subarray(position, (position += tf.util.sizeFromShape(shape)));

const shape = [Number(batch), ...imageShape];
const labels = Int32Array.from({ length: shape[0] }, (_, i) => i % classes);
const inputs = {
  image: tf.tensor(next(shape), shape),
  label: tf.tidy(() => tf.cast(tf.oneHot(tf.tensor1d(labels, 'int32'), classes), 'float32')),
  learningRate: tf.scalar(0.001),
};
const { parameters, averages, apply } = createNetwork(model, next);
if (position !== numbers.length) throw new Error(`${data} has ${numbers.length} numbers, ${model} takes ${position}`);

const optimizer = bindOptimizer(
  createSgd({ learningRate: 0.001, momentum: 0.9, nesterov: false, weightDecay: 0, decayOn: 'all' }),
  parameters,
);
const step = compile(
  ({ image, label, learningRate }) => {
    const { value, gradients } = gradientsOf(() => tf.losses.softmaxCrossEntropy(label, apply(image)), parameters);
    optimizer.apply(gradients, { learningRate });
    return { loss: value };
  },
  { variables: { ...parameters, ...averages, ...optimizer.variables } },
);

const statistics = () => tf.backend().statistics?.();
const losses = [];
function run() {
  const before = statistics();
  const start = performance.now();
  const { loss } = step(inputs);
  losses.push(loss.dataSync()[0]);
  const milliseconds = performance.now() - start;
  loss.dispose();
  // Outside of onnxruntime's own run: recording, looking up, handing numbers over.
  return { milliseconds, outside: before && milliseconds - (statistics().runMilliseconds - before.runMilliseconds) };
}

// Three steps to check the loss after; recording and compiling are among them.
const first = [run(), run(), run()];
let timed = [];
if (backend === 'stock-wasm') {
  // Seconds a step and nothing to warm up for: these are timed, and the loss after them needs no step of its own.
  timed = first;
  losses.push(tf.tidy(() => tf.losses.softmaxCrossEntropy(inputs.label, apply(inputs.image)).dataSync()[0]));
} else {
  const begun = performance.now();
  do timed.push(run());
  while (timed.length < 3 || performance.now() - begun < Number(seconds) * 1000);
}

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
console.log(
  JSON.stringify({
    milliseconds: median(timed.map(({ milliseconds }) => milliseconds)),
    steps: timed.length,
    losses: losses.slice(0, 4),
    parameters: Object.values(parameters).reduce((sum, { size }) => sum + size, 0),
    // Kilobytes on Linux.
    peakMegabytes: process.resourceUsage().maxRSS / 1024,
    ...(statistics() && {
      overhead: median(timed.map(({ milliseconds, outside }) => outside / milliseconds)),
      statistics: statistics(),
    }),
  }),
);
