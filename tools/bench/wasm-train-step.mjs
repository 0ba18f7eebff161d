/**
 * One training step (forward, backward, SGD) of a CIFAR ResNet on 32 × 32 images, in milliseconds, against tfjs's wasm
 * backend with the missing kernel filled in plainly, and where the time goes.
 *
 *   node tools/bench/wasm-train-step.mjs [depth = 8] [batch = 64]
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';

const [depth = 8, batch = 64, only] = process.argv.slice(2).map((value) => (/^\d+$/.test(value) ? +value : value));

if (only) {
  console.log(JSON.stringify(await measure(only)));
} else {
  // a process each: kernels are registered once and for all
  const [stock, ours] = ['stock', 'retort'].map((which) => {
    const child = spawnSync(process.execPath, [fileURLToPath(import.meta.url), depth, batch, which], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (child.status !== 0) throw new Error(`the ${which} run failed`);
    return JSON.parse(child.stdout.trim().split('\n').at(-1));
  });
  const drift = Math.abs(ours.losses[1] - stock.losses[1]);
  console.log(`CIFAR ResNet-${depth}, batch ${batch}, one thread, best of ${ours.steps} steps\n`);
  console.log(`tfjs wasm, missing kernel filled in  ${stock.milliseconds.toFixed(0).padStart(7)} ms`);
  console.log(`with @retort/backend-wasm            ${ours.milliseconds.toFixed(0).padStart(7)} ms`);
  console.log(
    `ratio                                ${(stock.milliseconds / ours.milliseconds).toFixed(1).padStart(7)}`,
  );
  console.log(`difference of the loss after one step: ${drift.toExponential(1)}\n`);
  const names = [...new Set([...Object.keys(ours.kernels), ...Object.keys(stock.kernels)])];
  const time = (run, name) => run.kernels[name]?.milliseconds ?? 0;
  names.sort((a, b) => time(ours, b) + time(stock, b) - time(ours, a) - time(stock, a));
  console.log(
    `${'kernel'.padEnd(26)}${'stock ms'.padStart(10)}${'calls'.padStart(7)}${'ours ms'.padStart(10)}${'calls'.padStart(7)}`,
  );
  for (const name of names.slice(0, 18)) {
    const cells = [stock, ours].map(
      (run) => `${time(run, name).toFixed(1).padStart(10)}${String(run.kernels[name]?.calls ?? 0).padStart(7)}`,
    );
    console.log(name.padEnd(26) + cells.join(''));
  }
}

async function measure(which) {
  if (which === 'stock') {
    await import('@tensorflow/tfjs-backend-wasm');
    registerPlainFilterGradient();
  } else {
    const { register } = await import('@retort/backend-wasm');
    register();
  }
  await tf.setBackend('wasm');
  await tf.ready();

  const model = resNet((depth - 2) / 6);
  const images = tf.tensor(sequence(batch * 32 * 32 * 3), [batch, 32, 32, 3]);
  const labels = tf
    .oneHot(
      tf.tensor1d(
        Array.from({ length: batch }, (_, i) => i % 10),
        'int32',
      ),
      10,
    )
    .toFloat();
  const variables = model.trainableWeights.map((weight) => weight.val);
  const step = () =>
    tf.tidy(() => {
      const { value, grads } = tf.variableGrads(
        () => tf.losses.softmaxCrossEntropy(labels, model.apply(images, { training: true })),
        variables,
      );
      for (const variable of variables) variable.assign(variable.sub(grads[variable.name].mul(0.05)));
      return value.dataSync()[0];
    });

  const losses = [step(), step()];
  const steps = 8;
  let best = Infinity;
  for (let i = 0; i < steps; i++) {
    const start = performance.now();
    losses.push(step());
    best = Math.min(best, performance.now() - start);
  }
  return { milliseconds: best, steps, losses, kernels: profile(step) };
}

/** Wall-clock time per kernel called by the engine, the kernels it calls itself included. */
function profile(step) {
  const kernels = {};
  const all = tf.getKernelsForBackend('wasm');
  let inside = 0;
  const timed = all.map((kernel) => ({
    ...kernel,
    kernelFunc: (args) => {
      if (inside++ > 0) {
        try {
          return kernel.kernelFunc(args);
        } finally {
          inside--;
        }
      }
      const start = performance.now();
      const result = kernel.kernelFunc(args);
      inside--;
      const entry = (kernels[kernel.kernelName] ??= { milliseconds: 0, calls: 0 });
      entry.milliseconds += performance.now() - start;
      entry.calls++;
      return result;
    },
  }));
  for (const kernel of timed) {
    tf.unregisterKernel(kernel.kernelName, 'wasm');
    tf.registerKernel(kernel);
  }
  step();
  return kernels;
}

/** CIFAR ResNet of He et al. 2016 §4.2, depth 6n + 2, projection shortcuts. */
function resNet(n) {
  let seed = 1;
  const convolution = (x, filters, kernelSize, strides) =>
    tf.layers
      .conv2d({
        filters,
        kernelSize,
        strides,
        padding: 'same',
        useBias: false,
        kernelInitializer: tf.initializers.heNormal({ seed: seed++ }),
      })
      .apply(x);
  const normalized = (x) => tf.layers.batchNormalization().apply(x);
  const relu = (x) => tf.layers.activation({ activation: 'relu' }).apply(x);
  const input = tf.input({ shape: [32, 32, 3] });
  let x = relu(normalized(convolution(input, 16, 3, 1)));
  [16, 32, 64].forEach((filters, stage) => {
    for (let block = 0; block < n; block++) {
      const strides = stage > 0 && block === 0 ? 2 : 1;
      const shortcut = strides === 1 ? x : normalized(convolution(x, filters, 1, strides));
      let y = relu(normalized(convolution(x, filters, 3, strides)));
      y = normalized(convolution(y, filters, 3, 1));
      x = relu(tf.layers.add().apply([y, shortcut]));
    }
  });
  x = tf.layers.globalAveragePooling2d({ dataFormat: 'channelsLast' }).apply(x);
  x = tf.layers.dense({ units: 10, kernelInitializer: tf.initializers.glorotNormal({ seed: seed++ }) }).apply(x);
  return tf.model({ inputs: input, outputs: x });
}

/** The kernel without which tfjs's wasm backend cannot train a convolution: a slice and a product per tap. */
function registerPlainFilterGradient() {
  tf.registerKernel({
    kernelName: 'Conv2DBackpropFilter',
    backendName: 'wasm',
    kernelFunc: ({ inputs: { x, dy }, attrs: { strides, pad, filterShape } }) => {
      const info = tf.backend_util.computeConv2DInfo(x.shape, filterShape, strides, 1, pad);
      const { top, bottom, left, right } = info.padInfo;
      const [height, width, channels, filters] = filterShape;
      const [engine, tensor] = [tf.engine(), (t) => tf.engine().makeTensorFromTensorInfo(t)];
      engine.startScope();
      for (const t of [x, dy]) tf.backend().incRef(t.dataId);
      const padded = tf.pad(tensor(x), [[0, 0], [top, bottom], [left, right], [0, 0]]); // prettier-ignore
      const gradient = tf.reshape(tensor(dy), [-1, filters]);
      const taps = [];
      for (let i = 0; i < height; i++) {
        for (let j = 0; j < width; j++) {
          const end = [
            i + (info.outHeight - 1) * info.strideHeight + 1,
            j + (info.outWidth - 1) * info.strideWidth + 1,
          ];
          const tap = tf.stridedSlice(
            padded,
            [0, i, j, 0],
            [info.batchSize, end[0], end[1], channels],
            [1, info.strideHeight, info.strideWidth, 1],
          );
          taps.push(tf.matMul(tf.reshape(tap, [-1, channels]), gradient, true));
        }
      }
      const result = tf.reshape(tf.concat(taps), filterShape);
      tf.backend().incRef(result.dataId);
      engine.endScope();
      return { dataId: result.dataId, shape: filterShape, dtype: 'float32' };
    },
  });
}

function sequence(length) {
  return Float32Array.from({ length }, (_, i) => Math.sin(i * 12.9898) * 2 - Math.sin(i * 0.37));
}
