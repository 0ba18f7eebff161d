// Runs one ONNX model in a thread of its own: onnxruntime's `run` blocks the event loop it is called on.
// Plain JavaScript, so that it starts from the sources and from dist alike.
import { parentPort, workerData } from 'node:worker_threads';
import { InferenceSession, Tensor } from 'onnxruntime-node';

const { bytes, threads, layout } = workerData;
let session;
/** Set by the first message. */
let plan;

parentPort.on('message', async ({ id, method, argument }) => {
  try {
    const result = await methods[method](argument);
    parentPort.postMessage(
      { id, result },
      (result?.outputs ?? []).map(({ buffer }) => buffer),
    );
  } catch (error) {
    parentPort.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
});

const methods = {
  /** The graph's inputs and outputs: { name, type, shape } each; sizes that are free are names or −1. */
  async open() {
    session = await InferenceSession.create(bytes, {
      executionProviders: ['cpu'],
      executionMode: 'sequential',
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      logSeverityLevel: 4, // errors are thrown, and told by whoever catches them
    });
    return { inputs: session.inputMetadata, outputNames: session.outputNames };
  },

  /**
   * Which input to feed, which outputs to return, how to normalize, and the batch size the graph is fixed to, if any. With `ids`,
   * int32 or int64, rows of ids are fed in place of images.
   */
  async plan(argument) {
    plan = argument;
  },

  /**
   * Takes and returns float32 buffers with shapes, [B, H, W, C] for images and feature maps; pixels in [0, 1]. Ids are int32, [T, N].
   */
  async infer({ buffer, shape }) {
    const data = plan.ids ? new Int32Array(buffer) : new Float32Array(buffer);
    const [size, ...rowShape] = shape;
    const step = plan.batchSize ?? size;
    const values = data.length / size;
    const chunks = [];
    for (let start = 0; start < size; start += step) {
      // A graph with a fixed batch size gets a last batch filled up with zeros.
      const filled = new data.constructor(step * values);
      filled.set(data.subarray(start * values, Math.min(size, start + step) * values));
      chunks.push(
        await runBatch(plan.ids ? idTensor(filled, [step, ...rowShape]) : imageTensor(filled, [step, ...rowShape])),
      );
    }
    return {
      outputs: plan.outputs.map((_, i) =>
        joinBatches(
          chunks.map((chunk) => chunk[i]),
          size,
        ),
      ),
    };
  },

  async close() {
    await session?.release();
    parentPort.close();
  },
};

function idTensor(data, shape) {
  return plan.ids === 'int64'
    ? new Tensor('int64', BigInt64Array.from(data, BigInt), shape)
    : new Tensor('int32', data, shape);
}

function imageTensor(data, [batch, height, width, channels]) {
  const { mean, deviation } = plan.normalization;
  for (let i = 0; i < data.length; i++) {
    const channel = i % channels;
    data[i] = (data[i] - mean[channel]) / deviation[channel];
  }
  return layout === 'nchw'
    ? new Tensor('float32', permute(data, [batch, height * width, channels]), [batch, channels, height, width])
    : new Tensor('float32', data, [batch, height, width, channels]);
}

async function runBatch(input) {
  const outputs = await session.run({ [plan.input]: input }, plan.outputs);
  return plan.outputs.map((name) => {
    const { data: values, dims, type } = outputs[name];
    if (type !== 'float32') throw new Error(`output "${name}" is ${type}, not float32`);
    if (layout === 'nchw' && dims.length === 4) {
      const [n, c, h, w] = dims;
      return { data: permute(values, [n, c, h * w]), shape: [n, h, w, c] };
    }
    return { data: values, shape: [...dims] };
  });
}

/** [n, a, b] to [n, b, a]. */
function permute(from, [n, a, b]) {
  const to = new Float32Array(from.length);
  for (let i = 0; i < n; i++) {
    const base = i * a * b;
    for (let j = 0; j < a; j++) for (let k = 0; k < b; k++) to[base + k * a + j] = from[base + j * b + k];
  }
  return to;
}

/** Batches of one output as one array of its own, without what filled up the last. */
function joinBatches(batches, size) {
  const { shape: first, data: values } = batches[0];
  // A number of the model, not of the batch, such as a logit scale.
  if (first.length === 0) return { buffer: Float32Array.from(values).buffer, shape: [] };
  const shape = [size, ...first.slice(1)];
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
  let offset = 0;
  for (const batch of batches) {
    data.set(batch.data.subarray(0, data.length - offset), offset);
    offset += batch.data.length;
  }
  return { buffer: data.buffer, shape };
}
