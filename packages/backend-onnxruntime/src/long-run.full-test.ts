import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as tf from '@tensorflow/tfjs';
import { type OnnxRuntimeBackend, register } from './index.js';
import { batchOf, residualNetwork, trainStep } from './test-support/train-step.js';

register();
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const megabyte = 2 ** 20;

/** What a long run could fill: tensors, data, graphs, bytes. */
async function counts(): Promise<{ exact: Record<string, number>; residentBytes: number }> {
  const backend = tf.backend() as OnnxRuntimeBackend;
  backend.flush();
  collectGarbage();
  // Memory of typed arrays is given back after a turn of the event loop.
  await new Promise((resolve) => setTimeout(resolve, 50));
  collectGarbage();
  const { numTensors, numDataBuffers, numBytes } = tf.memory();
  const { graphs, graphBytes, compiled, peakBytesInHost } = backend.statistics();
  const { numBytesInHost, pendingNodes } = backend.memory();
  const ids = backend.numDataIds();
  return {
    exact: {
      numTensors,
      numDataBuffers,
      numBytes,
      ids,
      graphs,
      graphBytes,
      compiled,
      peakBytesInHost,
      numBytesInHost,
      pendingNodes,
    },
    residentBytes: process.memoryUsage().rss,
  };
}

/**
 * Runs the steps in nine parts: counts stay exactly as they were, and memory grows by less than 30 MiB, nine times the
 * median part. A leak grows in each part; the allocator, which keeps what other tests of this process gave back, in one.
 */
async function expectNoGrowth(part: () => Promise<void>): Promise<void> {
  const parts = 9;
  let previous = await counts();
  const { exact } = previous;
  const growths: number[] = [];
  for (let k = 0; k < parts; k++) {
    await part();
    const now = await counts();
    expect(now.exact).toEqual(exact);
    growths.push(now.residentBytes - previous.residentBytes);
    previous = now;
  }
  const median = growths.sort((a, b) => a - b)[(parts - 1) / 2]!;
  expect((median * parts) / megabyte).toBeLessThan(30);
}

it('10,000 steps leave tensors, graphs and memory where the first 1,000 left them', async () => {
  await tf.setBackend('onnxruntime');
  const network = trainStep(residualNetwork(8, [2, 2, 4], 8));
  const steps = async (count: number) => {
    for (let step = 0; step < count; step++) {
      // New tensors for each batch, as loaders make them; every eighth is a smaller last one.
      const batch = batchOf(step % 8 === 7 ? 3 : 8, step, 8);
      const { loss } = network.step(batch);
      if (step % 10 === 0) loss.dataSync();
      // Evaluation is recorded, not replayed.
      if (step % 50 === 0) tf.tidy(() => void network.infer(batch.image).dataSync());
      tf.dispose([loss, batch]);
      // A loop that loads its batches awaits.
      if (step % 4 === 0) await undefined;
    }
  };
  await steps(1000);
  await expectNoGrowth(() => steps(1000));
});

it('1,000 recorded steps of a plain tfjs program leave them there too', async () => {
  await tf.setBackend('onnxruntime');
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ inputShape: [6], units: 8, activation: 'relu' }),
      tf.layers.dense({ units: 3, activation: 'softmax' }),
    ],
  });
  model.compile({ optimizer: 'adam', loss: 'categoricalCrossentropy' });
  const x = tf.tidy(() => tf.range(0, 120).reshape([20, 6]).sin());
  const y = tf.tidy(() => tf.oneHot(tf.range(0, 20, 1, 'int32').mod(tf.scalar(3, 'int32')).toInt(), 3).toFloat());
  // Batches of 8: the last is of 4.
  const steps = async (count: number) => {
    await model.fit(x, y, { batchSize: 8, epochs: count / 3, shuffle: false, verbose: 0 });
  };
  await steps(102);
  await expectNoGrowth(() => steps(102));
});
