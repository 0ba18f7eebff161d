import * as tf from '@tensorflow/tfjs';
import { bindOptimizer, compile, createSgd, gradientsOf, namedWeights } from '@retort/nn';

/** A network with one training step: cross-entropy and momentum. */
export interface TrainStep {
  /** All the step reads and assigns. */
  variables: Record<string, tf.Variable>;
  /** Compiled: recorded once per batch size. Returns the loss. */
  step(batch: Batch): { loss: tf.Tensor };
  /** Plain, recorded anew each time. Returns the logits. */
  infer(image: tf.Tensor): tf.Tensor;
  dispose(): void;
}

export type Batch = { image: tf.Tensor; label: tf.Tensor };

/** Images [B, H, W, 3] and labels [B, 10], different for each seed. */
export function batchOf(size: number, seed = 0, side = 32): Batch {
  const pixels = Float32Array.from({ length: size * side * side * 3 }, (_, i) => Math.sin(i * 12.9898 + seed));
  const labels = Int32Array.from({ length: size }, (_, i) => (i + seed) % 10);
  return {
    image: tf.tensor4d(pixels, [size, side, side, 3]),
    label: tf.tidy(() => tf.oneHot(tf.tensor1d(labels, 'int32'), 10).toFloat()),
  };
}

export function trainStep(model: tf.LayersModel): TrainStep {
  const { trainable: parameters, frozen } = namedWeights(model);
  const optimizer = bindOptimizer(
    createSgd({ learningRate: 0.01, momentum: 0.9, nesterov: false, weightDecay: 0, decayOn: 'all' }),
    parameters,
  );
  const variables = { ...parameters, ...frozen, ...optimizer.variables };
  const learningRate = tf.scalar(0.01);
  const step = compile(
    ({ image, label, learningRate, number }: Batch & { learningRate: tf.Scalar; number: tf.Scalar }) => {
      const loss = () =>
        tf.losses.softmaxCrossEntropy(label, model.apply(image, { training: true }) as tf.Tensor) as tf.Scalar;
      const { value, gradients } = gradientsOf(loss, parameters);
      optimizer.apply(gradients, { learningRate, step: number });
      return { loss: value };
    },
    { variables },
  );
  return {
    variables,
    step: (batch) => step({ ...batch, learningRate, number: learningRate }),
    infer: (image) => tf.tidy(() => model.apply(image, { training: false }) as tf.Tensor),
    dispose: () => {
      tf.dispose([variables, learningRate]);
    },
  };
}

/** CIFAR ResNet (He et al. 2016, §4.2) of depth 6n + 2, with any widths. */
export function residualNetwork(depth: number, widths = [16, 32, 64], side = 32): tf.LayersModel {
  let seed = 1;
  const convolution = (x: tf.SymbolicTensor, filters: number, kernelSize: number, strides: number) =>
    tf.layers
      .conv2d({
        filters,
        kernelSize,
        strides,
        padding: 'same',
        useBias: false,
        kernelInitializer: tf.initializers.heNormal({ seed: seed++ }),
      })
      .apply(x) as tf.SymbolicTensor;
  const norm = (x: tf.SymbolicTensor) => tf.layers.batchNormalization({ momentum: 0.9 }).apply(x) as tf.SymbolicTensor;
  const relu = (x: tf.SymbolicTensor) => tf.layers.reLU().apply(x) as tf.SymbolicTensor;
  const input = tf.input({ shape: [side, side, 3] });
  let x = relu(norm(convolution(input, widths[0], 3, 1)));
  for (const [stage, filters] of widths.entries()) {
    for (let block = 0; block < (depth - 2) / 6; block++) {
      const strides = stage > 0 && block === 0 ? 2 : 1;
      const y = relu(norm(convolution(x, filters, 3, strides)));
      const shortcut = strides === 1 ? x : norm(convolution(x, filters, 1, strides));
      x = relu(tf.layers.add().apply([norm(convolution(y, filters, 3, 1)), shortcut]) as tf.SymbolicTensor);
    }
  }
  const pooled = tf.layers.globalAveragePooling2d({ dataFormat: 'channelsLast' }).apply(x);
  const kernelInitializer = tf.initializers.glorotNormal({ seed });
  return tf.model({
    inputs: input,
    outputs: tf.layers.dense({ units: 10, kernelInitializer }).apply(pooled) as tf.SymbolicTensor,
  });
}
