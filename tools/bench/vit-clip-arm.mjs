/**
 * One arm of vit-clip.mjs on the onnxruntime backend, in a process of its own: prints a JSON line.
 *
 *   node vit-clip-arm.mjs TASK THREADS SECONDS FOLDER [DUMP]
 *
 * FOLDER holds input.bin, weights.bin and layers.json, what of weights.bin belongs to which layer. DUMP is a folder for the graphs.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { register } from '@retort/backend-onnxruntime';
import { Random } from '@retort/core';
import { buildStudent } from '@retort/models';
import { bindOptimizer, compile, createAdamw, forward, gradientsOf, namedWeights, subNetwork } from '@retort/nn';
import { hyperparameters, tasks } from './transformers.mjs';

const [name, threads, seconds, folder, dump] = process.argv.slice(2);
const { batch, input, trains = false, spec: specify } = tasks[name];
register({ threads: Number(threads), ...(dump && { dumpGraphs: dump }) });
await tf.setBackend('onnxruntime');
await tf.ready();

const spec = specify();
const layers = JSON.parse(readFileSync(join(folder, 'layers.json'), 'utf8'));
const network = build();
const given = inputTensor();
const step = trains ? trainingStep() : inference();

// Recording and compiling are in the first of three to warm up.
const results = [];
for (let i = 0; i < 3; i++) results.push(run().numbers);
const timed = [];
const begun = performance.now();
do timed.push(run());
while (timed.length < 3 || performance.now() - begun < Number(seconds) * 1000);

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
console.log(
  JSON.stringify({
    milliseconds: median(timed.map(({ milliseconds }) => milliseconds)),
    steps: timed.length,
    check: trains ? results.map(([loss]) => loss) : results[0],
    parameters: layers.flatMap(({ shapes }) => shapes).reduce((sum, shape) => sum + tf.util.sizeFromShape(shape), 0),
    // Kilobytes on Linux.
    peakMegabytes: process.resourceUsage().maxRSS / 1024,
    megabytes: process.memoryUsage().rss / 2 ** 20,
    overhead: median(timed.map(({ milliseconds, outside }) => outside / milliseconds)),
    statistics: tf.backend().statistics(),
  }),
);

/** The network with the weights of the file, which is read a layer at a time. */
function build() {
  const file = openSync(join(folder, 'weights.bin'));
  const entries = new Map(layers.map((layer) => [layer.name, layer]));
  const values = {
    get(layer) {
      let at = entries.get(layer)?.start;
      return entries.get(layer)?.shapes.map((shape) => {
        const numbers = new Float32Array(tf.util.sizeFromShape(shape));
        at += readSync(file, numbers, 0, numbers.byteLength, at);
        return numbers;
      });
    },
  };
  const student = buildStudent(spec, name, new Random([1, 2]), values);
  closeSync(file);
  return subNetwork(student, input, Object.keys(spec.outputs));
}

function inputTensor() {
  const bytes = readFileSync(join(folder, 'input.bin'));
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  return input === 'image'
    ? { image: tf.tensor(new Float32Array(buffer), [batch, ...spec.imageShape]) }
    : { tokens: tf.tensor(new Int32Array(buffer), [batch, spec.contextLength], 'int32') };
}

/** As a teacher runs its network: weights are no variables of the step. */
function inference() {
  const infer = compile((inputs) => forward(network, inputs, { training: false }), { variables: {} });
  return () => Object.values(infer(given))[0];
}

function trainingStep() {
  const classes = network.offers.logits[0];
  const labels = Int32Array.from({ length: batch }, (_, i) => i % classes);
  const label = tf.tidy(() => tf.cast(tf.oneHot(tf.tensor1d(labels, 'int32'), classes), 'float32'));
  const { trainable, frozen } = namedWeights(network.model);
  const optimizer = bindOptimizer(createAdamw(hyperparameters), trainable);
  const learn = compile(
    ({ image, label, learningRate, step }) => {
      const { value, gradients } = gradientsOf(
        () => tf.losses.softmaxCrossEntropy(label, forward(network, { image }, { training: true }).logits),
        trainable,
      );
      optimizer.apply(gradients, { learningRate, step });
      return { loss: value };
    },
    { variables: { ...trainable, ...frozen, ...optimizer.variables } },
  );
  let count = 0;
  return () =>
    tf.tidy(
      () =>
        learn({ ...given, label, learningRate: tf.scalar(hyperparameters.learningRate), step: tf.scalar(++count) })
          .loss,
    );
}

function run() {
  const before = tf.backend().statistics().runMilliseconds;
  const start = performance.now();
  const result = step();
  const numbers = [...result.dataSync()];
  const milliseconds = performance.now() - start;
  result.dispose();
  return { numbers, milliseconds, outside: milliseconds - (tf.backend().statistics().runMilliseconds - before) };
}
