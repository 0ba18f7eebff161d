import * as tf from '@tensorflow/tfjs';
import { InputError, type Random } from '@retort/core';

/** Without the batch axis: [H, W, K] or [D]. */
export type Shape = number[];

/** What a layer does. */
export type LayerConfig =
  /** (pixel − mean) / deviation per channel; frozen and not counted. */
  | { type: 'normalize'; mean: number[]; deviation: number[] }
  /** Square kernel, `same` padding, no bias. */
  | { type: 'conv'; filters: number; size: number; stride?: number }
  | { type: 'batch-norm' }
  | { type: 'relu' }
  | { type: 'add' }
  | { type: 'global-average-pool' }
  | { type: 'dense'; units: number };

/** Everything there is to know about a type of layer. A new type is a member of LayerConfig and a rule here. */
export interface LayerRule<C> {
  outputShape(config: C, inputs: Shape[]): Shape;
  /** Trainable ones. */
  parameters?(config: C, input: Shape): number;
  /** Of one image. */
  macs?(config: C, input: Shape, output: Shape): number;
  /** A stock tfjs layer. Its initializers draw nothing: see `initialValues`. */
  build(config: C, name: string): tf.layers.Layer;
  /** In the order of the layer's weights; a layer without this keeps what it was built with. */
  initialValues?(config: C, input: Shape, random: Random): Float32Array[];
}

export const layerRules: { [T in LayerConfig['type']]: LayerRule<Extract<LayerConfig, { type: T }>> } = {
  normalize: {
    outputShape: (_, [input]) => input,
    build: (_, name) =>
      tf.layers.depthwiseConv2d({
        name,
        kernelSize: 1,
        trainable: false,
        depthwiseInitializer: 'zeros',
        biasInitializer: 'zeros',
      }),
    initialValues: ({ mean, deviation }) => [
      Float32Array.from(deviation, (d) => 1 / d),
      Float32Array.from(deviation, (d, i) => -mean[i] / d),
    ],
  },

  conv: {
    outputShape: ({ filters, stride = 1 }, [[height, width]]) => [
      Math.ceil(height / stride),
      Math.ceil(width / stride),
      filters,
    ],
    parameters: ({ filters, size }, [, , channels]) => size * size * channels * filters,
    macs: ({ filters, size }, [, , channels], [height, width]) => height * width * size * size * channels * filters,
    build: ({ filters, size, stride = 1 }, name) =>
      tf.layers.conv2d({
        name,
        filters,
        kernelSize: size,
        strides: stride,
        padding: 'same',
        useBias: false,
        kernelInitializer: 'zeros',
      }),
    // He et al. 2015, eq. 14: N(0, 2 / fan_out)
    initialValues: ({ filters, size }, [, , channels], random) => {
      const deviation = Math.sqrt(2 / (size * size * filters));
      const kernel = random.fill(new Float32Array(size * size * channels * filters), 'normal');
      return [kernel.map((value) => value * deviation)];
    },
  },

  'batch-norm': {
    outputShape: (_, [input]) => input,
    parameters: (_, input) => 2 * input[input.length - 1],
    // 0.9 of the old average is kept: PyTorch's momentum 0.1.
    build: (_, name) => tf.layers.batchNormalization({ name, momentum: 0.9, epsilon: 1e-5 }),
  },

  relu: {
    outputShape: (_, [input]) => input,
    build: (_, name) => tf.layers.activation({ name, activation: 'relu' }),
  },

  add: {
    outputShape: (_, inputs) => {
      const [first, ...others] = inputs.map((shape) => shape.join(' x '));
      const other = others.find((shape) => shape !== first);
      if (other !== undefined) throw new InputError(`cannot add maps of ${first} and ${other}`);
      return inputs[0];
    },
    build: (_, name) => tf.layers.add({ name }),
  },

  'global-average-pool': {
    outputShape: (_, [[, , channels]]) => [channels],
    build: (_, name) => tf.layers.globalAveragePooling2d({ name, dataFormat: 'channelsLast' }),
  },

  dense: {
    outputShape: ({ units }) => [units],
    parameters: ({ units }, [inputs]) => (inputs + 1) * units,
    macs: ({ units }, [inputs]) => inputs * units,
    build: ({ units }, name) => tf.layers.dense({ name, units, kernelInitializer: 'zeros', biasInitializer: 'zeros' }),
    // PyTorch's default for linear layers: both U(±1 / √fan_in)
    initialValues: ({ units }, [inputs], random) => {
      const bound = 1 / Math.sqrt(inputs);
      const draw = (size: number) =>
        random.fill(new Float32Array(size), 'uniform').map((value) => (2 * value - 1) * bound);
      return [draw(inputs * units), draw(units)];
    },
  },
};
