/** Started by `retort doctor` in a process of its own for each backend: node probe-backend.js NAME. Prints one line of JSON. */
import * as tf from '@tensorflow/tfjs';
import { createRegistry, messageOf, Random, resolvePart, startBackend } from '@retort/core';
import { plugins } from './plugins.js';

/** What a backend has to say for itself. */
export type Probe =
  | { starts: true; description: string; threads?: number; details: string[]; imagesPerSecond: number }
  | { starts: false; reason: string };

const SECONDS = 2;
const IMAGES = 8;

async function probe(name: string): Promise<Probe> {
  try {
    const registry = createRegistry(plugins);
    const reference = resolvePart(registry, 'backend', name);
    const { description, threads, details = [] } = await startBackend(registry, reference, () => undefined);
    return { starts: true, description, threads, details, imagesPerSecond: await measure() };
  } catch (error) {
    return { starts: false, reason: messageOf(error).replace(/^backend: \S+ cannot be used: /, '') };
  }
}

/** Images a second through a training step of two convolutions of 16 channels on 32 x 32 pixels. */
async function measure(): Promise<number> {
  const random = new Random([1, 2]);
  const values = (...shape: number[]) =>
    tf.tensor(random.fill(new Float32Array(shape.reduce((a, b) => a * b)), 'normal'), shape);
  const image = values(IMAGES, 32, 32, 3) as tf.Tensor4D;
  const kernels = [values(3, 3, 3, 16), values(3, 3, 16, 16)].map((kernel) => tf.variable(kernel));
  const step = async () => {
    const { value, grads } = tf.variableGrads(() => {
      const hidden = tf.relu(tf.conv2d(image, kernels[0] as tf.Tensor4D, 1, 'same'));
      return tf
        .conv2d(hidden, kernels[1] as tf.Tensor4D, 1, 'same')
        .square()
        .mean() as tf.Scalar;
    });
    await Promise.all(Object.values(grads).map((gradient) => gradient.data()));
    tf.dispose([value, grads]);
  };
  let began = performance.now();
  await step();
  let steps = 1;
  // The first step warms up; one that takes longer than the test has to do.
  if (performance.now() - began < SECONDS * 1000) [began, steps] = [performance.now(), 0];
  while (performance.now() - began < SECONDS * 1000) {
    await step();
    steps++;
  }
  return (steps * IMAGES * 1000) / (performance.now() - began);
}

const result = await probe(process.argv[2]);
process.stdout.write(`\n${JSON.stringify(result)}\n`, () => process.exit(0));
