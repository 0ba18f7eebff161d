import * as tf from '@tensorflow/tfjs';
import { OnnxRuntimeBackend } from './backend.js';
import { register } from './index.js';

register();
tf.env().set('IS_TEST', true);

async function use(name: string): Promise<void> {
  if (name === 'onnxruntime') {
    tf.removeBackend(name);
    tf.registerBackend(name, () => new OnnxRuntimeBackend());
  }
  await tf.setBackend(name);
}

const statistics = () => (tf.backend() as OnnxRuntimeBackend).statistics();

/** 20 samples in batches of 8: the last is of 4. */
const samples = 20;
const batchSize = 8;
const image = () =>
  tf.tensor4d(
    Float32Array.from({ length: samples * 36 }, (_, i) => Math.sin(i * i)),
    [samples, 6, 6, 1],
  );
const label = () =>
  tf.oneHot(
    tf.tensor1d(
      Array.from({ length: samples }, (_, i) => i % 3),
      'int32',
    ),
    3,
  );

function network(optimizer: tf.Optimizer): tf.Sequential {
  const kernelInitializer = (seed: number) => tf.initializers.glorotUniform({ seed });
  const model = tf.sequential({
    layers: [
      tf.layers.conv2d({
        inputShape: [6, 6, 1],
        filters: 4,
        kernelSize: 3,
        activation: 'relu',
        kernelInitializer: kernelInitializer(1),
      }),
      tf.layers.batchNormalization(),
      tf.layers.maxPooling2d({ poolSize: 2 }),
      tf.layers.flatten(),
      tf.layers.dropout({ rate: 0.2, seed: 3 }),
      tf.layers.dense({ units: 3, activation: 'softmax', kernelInitializer: kernelInitializer(2) }),
    ],
  });
  model.compile({ optimizer, loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
  return model;
}

/** What `fit` reports, and how many graphs there were at the end of each epoch. */
async function fit(optimizer: tf.Optimizer): Promise<{ losses: number[]; compiled: number[] }> {
  const compiled: number[] = [];
  const onEpochEnd = () => void (tf.getBackend() === 'onnxruntime' && compiled.push(statistics().compiled));
  const { history } = await network(optimizer).fit(image(), label(), {
    epochs: 5,
    batchSize,
    shuffle: false,
    validationData: [image(), label()],
    verbose: 0,
    callbacks: { onEpochEnd },
  });
  return { losses: [...history.loss, ...history.val_loss] as number[], compiled };
}

describe('a program that knows nothing of this backend', () => {
  it.each([
    ['SGD', () => tf.train.sgd(0.1)],
    ['momentum', () => tf.train.momentum(0.05, 0.9)],
    ['Adam', () => tf.train.adam(0.01)],
  ])('trains by model.fit as on cpu, with no graph compiled after the first epoch: %s', async (_, optimizer) => {
    await use('cpu');
    const expected = await fit(optimizer());
    await use('onnxruntime');
    const actual = await fit(optimizer());
    actual.losses.forEach((loss, i) => expect(loss).toBeCloseTo(expected.losses[i], 4));
    const [first, ...later] = actual.compiled;
    expect(later).toEqual(later.map(() => first));
    expect(statistics().fallbacks).toEqual({});
  });

  it('trains by model.fitDataset, whose batches come one by one', async () => {
    await use('onnxruntime');
    const data = tf.data
      .zip({
        xs: tf.data.array((await image().array()) as number[][][][]),
        ys: tf.data.array((await label().array()) as number[][]),
      })
      .batch(batchSize);
    const compiled: number[] = [];
    const onEpochEnd = () => void compiled.push(statistics().compiled);
    // Batches of arrays, as tf.data gives them.
    await network(tf.train.sgd(0.1)).fitDataset(data as never, { epochs: 4, verbose: 0, callbacks: { onEpochEnd } });
    const [, second, ...later] = compiled;
    expect(later).toEqual(later.map(() => second));
  });

  it('runs a step of its own optimizer loop where it awaits, also when it reads nothing', async () => {
    await use('onnxruntime');
    const weights = tf.variable(tf.zeros([4, 2]));
    const optimizer = tf.train.adam(0.1);
    const x = tf.ones<tf.Rank.R2>([8, 4]);
    for (let step = 0; step < 10; step++) {
      optimizer.minimize(() =>
        tf
          .matMul(x, weights as unknown as tf.Tensor2D)
          .sub(1)
          .square()
          .mean(),
      );
      await Promise.resolve();
    }
    const { runs, compiled } = statistics();
    expect(runs).toBe(10);
    expect(compiled).toBeLessThanOrEqual(3);
    expect((tf.backend() as OnnxRuntimeBackend).memory().pendingNodes).toBe(0);
  });
});
