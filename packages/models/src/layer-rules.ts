import * as tf from '@tensorflow/tfjs';
import { InputError, type Random } from '@retort/core';
import { groupedConv2dLayer } from '@retort/nn';

/** Without the batch axis: [H, W, K] or [D]. */
export type Shape = number[];

/** What a layer does. */
export type LayerConfig =
  /** (pixel − mean) / deviation per channel; frozen and not counted. */
  | { type: 'normalize'; mean: number[]; deviation: number[] }
  /** Square kernel, `same` padding; no bias and one group unless told. */
  | { type: 'conv'; filters: number; size: number; stride?: number; groups?: number; bias?: boolean }
  /** One kernel per channel, `same` padding, no bias. */
  | { type: 'depthwise-conv'; size: number; stride?: number }
  | { type: 'batch-norm' }
  | { type: 'relu' }
  | { type: 'sigmoid' }
  | { type: 'add' }
  /** Of a map and what a channel is worth, [1, 1, K]. */
  | { type: 'multiply' }
  /** Along the channels. */
  | { type: 'concat' }
  | { type: 'reshape'; shape: number[] }
  | { type: 'permute'; axes: number[] }
  /** The second axis of three, from the first to the last but `end`. */
  | { type: 'crop'; start: number; end: number }
  | { type: 'max-pool'; size: number }
  | { type: 'global-average-pool' }
  | { type: 'dense'; units: number };

/** Everything there is to know about a type of layer. A new type is a member of LayerConfig and a rule here. */
export interface LayerRule<C> {
  outputShape(config: C, inputs: Shape[]): Shape;
  /** Trainable ones. */
  parameters?(config: C, input: Shape): number;
  /** Of one image. */
  macs?(config: C, input: Shape, output: Shape): number;
  /** A stock tfjs layer, but for convolutions in groups. Its initializers draw nothing: see `initialValues`. */
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
    outputShape: ({ filters, stride = 1, groups = 1 }, [[height, width, channels]]) => {
      if (channels % groups !== 0 || filters % groups !== 0)
        throw new InputError(`${groups} groups do not divide ${channels} channels and ${filters} filters`);
      return [Math.ceil(height / stride), Math.ceil(width / stride), filters];
    },
    parameters: ({ filters, size, groups = 1, bias = false }, [, , channels]) =>
      size * size * (channels / groups) * filters + (bias ? filters : 0),
    macs: ({ filters, size, groups = 1 }, [, , channels], [height, width]) =>
      height * width * size * size * (channels / groups) * filters,
    build: ({ filters, size, stride = 1, groups = 1, bias = false }, name) =>
      groups > 1
        ? groupedConv2dLayer({ name, filters, kernelSize: size, strides: stride, groups, useBias: bias })
        : tf.layers.conv2d({
            name,
            filters,
            kernelSize: size,
            strides: stride,
            padding: 'same',
            useBias: bias,
            kernelInitializer: 'zeros',
          }),
    // He et al. 2015, eq. 14: N(0, 2 / fan_out), of a group; biases 0
    initialValues: ({ filters, size, groups = 1, bias = false }, [, , channels], random) => {
      const deviation = Math.sqrt(2 / (size * size * (filters / groups)));
      const kernel = random.fill(new Float32Array(size * size * (channels / groups) * filters), 'normal');
      return [kernel.map((value) => value * deviation), ...(bias ? [new Float32Array(filters)] : [])];
    },
  },

  'depthwise-conv': {
    outputShape: ({ stride = 1 }, [[height, width, channels]]) => [
      Math.ceil(height / stride),
      Math.ceil(width / stride),
      channels,
    ],
    parameters: ({ size }, [, , channels]) => size * size * channels,
    macs: ({ size }, [, , channels], [height, width]) => height * width * size * size * channels,
    build: ({ size, stride = 1 }, name) =>
      tf.layers.depthwiseConv2d({
        name,
        kernelSize: size,
        strides: stride,
        padding: 'same',
        useBias: false,
        depthwiseInitializer: 'zeros',
      }),
    // As a convolution of one filter a group.
    initialValues: ({ size }, [, , channels], random) => [
      random.fill(new Float32Array(size * size * channels), 'normal').map((value) => value * Math.sqrt(2 / size ** 2)),
    ],
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

  sigmoid: {
    outputShape: (_, [input]) => input,
    build: (_, name) => tf.layers.activation({ name, activation: 'sigmoid' }),
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

  multiply: {
    outputShape: (_, inputs) => {
      const [map, factor] = inputs;
      if (factor.join() !== [1, 1, map[2]].join())
        throw new InputError(`cannot multiply a map of ${map.join(' x ')} by ${factor.join(' x ')}`);
      return map;
    },
    build: (_, name) => tf.layers.multiply({ name }),
  },

  concat: {
    outputShape: (_, inputs) => [
      ...inputs[0].slice(0, -1),
      inputs.reduce((channels, shape) => channels + shape.at(-1)!, 0),
    ],
    build: (_, name) => tf.layers.concatenate({ name }),
  },

  reshape: {
    outputShape: ({ shape }, [input]) => {
      const size = (of: Shape) => of.reduce((a, b) => a * b, 1);
      if (size(shape) !== size(input))
        throw new InputError(`cannot reshape ${input.join(' x ')} to ${shape.join(' x ')}`);
      return shape;
    },
    build: ({ shape }, name) => tf.layers.reshape({ name, targetShape: shape }),
  },

  permute: {
    outputShape: ({ axes }, [input]) => axes.map((axis) => input[axis]),
    build: ({ axes }, name) => tf.layers.permute({ name, dims: axes.map((axis) => axis + 1) }),
  },

  crop: {
    outputShape: ({ start, end }, [[rows, columns, depth]]) => [rows, columns - start - end, depth],
    build: ({ start, end }, name) =>
      tf.layers.cropping2D({
        name,
        cropping: [
          [0, 0],
          [start, end],
        ],
      }),
  },

  'max-pool': {
    outputShape: ({ size }, [[height, width, channels]]) => [
      Math.ceil(height / size),
      Math.ceil(width / size),
      channels,
    ],
    build: ({ size }, name) => tf.layers.maxPooling2d({ name, poolSize: size, strides: size, padding: 'same' }),
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
