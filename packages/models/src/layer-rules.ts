import * as tf from '@tensorflow/tfjs';
import { InputError } from '@retort/core';
import { groupedConv2dLayer } from '@retort/nn';
import { type LayerRule, normalValues, type Shape } from './layer-rule.js';
import { orthogonalValues } from './orthogonal.js';
import { type TokenLayerConfig, tokenLayerRules } from './token-layer-rules.js';

/** What a layer does. */
export type LayerConfig = ImageLayerConfig | TokenLayerConfig;

/** Layers of maps and vectors. */
type ImageLayerConfig =
  /** (pixel − mean) / deviation per channel; frozen and not counted. */
  | { type: 'normalize'; mean: number[]; deviation: number[] }
  /** (observation − mean) / deviation by running moments, which `setObservationMoments` sets; 0 and 1 at first. Not counted. */
  | { type: 'observation-norm' }
  /**
   * Square kernel, `same` padding, no bias and one group unless told. It starts from N(0, deviation²), by default 2 / fan_out, or
   * orthogonal times `gain`.
   */
  | {
      type: 'conv';
      filters: number;
      size: number;
      stride?: number;
      groups?: number;
      bias?: boolean;
      padding?: 'same' | 'valid';
      deviation?: number;
      gain?: number;
    }
  /** One kernel per channel, `same` padding, no bias. */
  | { type: 'depthwise-conv'; size: number; stride?: number }
  /** So many rows and columns of zeros on every side: what PyTorch's convolutions do where tfjs's `same` pads one side only. */
  | { type: 'zero-pad'; size: number }
  | { type: 'batch-norm' }
  | { type: 'relu' }
  | { type: 'sigmoid' }
  | { type: 'tanh' }
  /** Of one shape; a vector of one number is added to every number of the others. */
  | { type: 'add' }
  /** Of a map and what a channel is worth, [1, 1, K], or of one shape. */
  | { type: 'multiply' }
  /** Along the channels, or of tokens one after the other. */
  | { type: 'concat'; along?: 'tokens' }
  | { type: 'reshape'; shape: number[] }
  | { type: 'permute'; axes: number[] }
  /** The second axis of three, from the first to the last but `end`. */
  | { type: 'crop'; start: number; end: number }
  /** Stride `size` and `same` padding unless told. */
  | { type: 'max-pool'; size: number; stride?: number; padding?: 'same' | 'valid' }
  | { type: 'global-average-pool' }
  /** Numbers minus their mean, by a kernel that is frozen and not counted: stock layers have no such thing. */
  | { type: 'center'; size: number }
  /**
   * Of the last axis. It starts as PyTorch's linear layers do; from N(0, deviation²) and biases of 0; or orthogonal times `gain`
   * and biases of `start`, by default 0.
   */
  | {
      type: 'dense';
      units: number;
      bias?: boolean;
      deviation?: number;
      gain?: number;
      start?: number;
      activation?: 'relu' | 'tanh' | 'sigmoid';
    };

/** A new type is a member of LayerConfig and a rule here, or in `tokenLayerRules`. */
export const layerRules: { [T in LayerConfig['type']]: LayerRule<Extract<LayerConfig, { type: T }>> } = {
  ...tokenLayerRules,

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

  'observation-norm': {
    outputShape: (_, [input]) => input,
    // Scale and shift stay 1 and 0: without them tfjs 4.22 fails as soon as gradients are asked for.
    build: (_, name) => tf.layers.batchNormalization({ name, epsilon: 1e-8, trainable: false }),
  },

  conv: {
    outputShape: ({ filters, groups = 1, ...window }, [[height, width, channels]]) => {
      if (channels % groups !== 0 || filters % groups !== 0)
        throw new InputError(`${groups} groups do not divide ${channels} channels and ${filters} filters`);
      return [windows(height, window), windows(width, window), filters];
    },
    weights: ({ filters, size, groups = 1, bias = false }, [, , channels]) => [
      { shape: [size, size, channels / groups, filters], published: '.weight', layout: 'conv' },
      ...(bias ? [{ shape: [filters], published: '.bias' }] : []),
    ],
    macs: ({ filters, size, groups = 1 }, [[, , channels]], [height, width]) =>
      height * width * size * size * (channels / groups) * filters,
    build: ({ filters, size, stride = 1, groups = 1, bias = false, padding = 'same' }, name) =>
      groups > 1
        ? groupedConv2dLayer({ name, filters, kernelSize: size, strides: stride, groups, useBias: bias, padding })
        : tf.layers.conv2d({
            name,
            filters,
            kernelSize: size,
            strides: stride,
            padding,
            useBias: bias,
            kernelInitializer: 'zeros',
          }),
    // He et al. 2015, eq. 14: N(0, 2 / fan_out), of a group; biases 0
    initialValues: ({ filters, size, groups = 1, bias = false, deviation, gain }, [, , channels], random) => {
      const inputs = size * size * (channels / groups);
      return [
        gain !== undefined
          ? orthogonalValues(random, inputs, filters, gain)
          : normalValues(random, inputs * filters, deviation ?? Math.sqrt(2 / (size * size * (filters / groups)))),
        ...(bias ? [new Float32Array(filters)] : []),
      ];
    },
  },

  'depthwise-conv': {
    outputShape: (window, [[height, width, channels]]) => [windows(height, window), windows(width, window), channels],
    weights: ({ size }, [, , channels]) => [{ shape: [size, size, channels, 1] }],
    macs: ({ size }, [[, , channels]], [height, width]) => height * width * size * size * channels,
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
      normalValues(random, size * size * channels, Math.sqrt(2 / size ** 2)),
    ],
  },

  'zero-pad': {
    outputShape: ({ size }, [[height, width, channels]]) => [height + 2 * size, width + 2 * size, channels],
    build: ({ size }, name) => tf.layers.zeroPadding2d({ name, padding: size }),
  },

  'batch-norm': {
    outputShape: (_, [input]) => input,
    weights: (_, input) => {
      const shape = input.slice(-1);
      return [
        { shape, published: '.weight' },
        { shape, published: '.bias' },
        { shape, published: '.running_mean', trainable: false },
        { shape, published: '.running_var', trainable: false },
      ];
    },
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

  tanh: {
    outputShape: (_, [input]) => input,
    build: (_, name) => tf.layers.activation({ name, activation: 'tanh' }),
  },

  add: {
    outputShape: (_, inputs) => {
      const shapes = inputs.filter((shape) => shape.join() !== '1');
      const [first, ...others] = shapes.map((shape) => shape.join(' x '));
      const other = others.find((shape) => shape !== first);
      if (other !== undefined) throw new InputError(`cannot add maps of ${first} and ${other}`);
      return shapes[0] ?? inputs[0];
    },
    build: (_, name) => tf.layers.add({ name }),
  },

  multiply: {
    outputShape: (_, inputs) => {
      const [map, factor] = inputs;
      if (factor.join() !== [1, 1, map[2]].join() && factor.join() !== map.join())
        throw new InputError(`cannot multiply a map of ${map.join(' x ')} by ${factor.join(' x ')}`);
      return map;
    },
    build: (_, name) => tf.layers.multiply({ name }),
  },

  concat: {
    outputShape: ({ along }, inputs) => {
      const axis = along === 'tokens' ? 0 : inputs[0].length - 1;
      const sum = inputs.reduce((total, shape) => total + shape[axis], 0);
      return inputs[0].map((size, i) => (i === axis ? sum : size));
    },
    build: ({ along }, name) => tf.layers.concatenate({ name, axis: along === 'tokens' ? 1 : -1 }),
  },

  reshape: {
    outputShape: ({ shape }, [input]) => {
      if (sizeOf(shape) !== sizeOf(input))
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
    outputShape: ({ size, stride = size, padding }, [[height, width, channels]]) => [
      windows(height, { size, stride, padding }),
      windows(width, { size, stride, padding }),
      channels,
    ],
    build: ({ size, stride = size, padding = 'same' }, name) =>
      tf.layers.maxPooling2d({ name, poolSize: size, strides: stride, padding }),
  },

  'global-average-pool': {
    outputShape: (_, [[, , channels]]) => [channels],
    build: (_, name) => tf.layers.globalAveragePooling2d({ name, dataFormat: 'channelsLast' }),
  },

  center: {
    outputShape: (_, [input]) => input,
    weights: ({ size }) => [{ shape: [size, size], trainable: false }],
    build: ({ size }, name) =>
      tf.layers.dense({ name, units: size, useBias: false, trainable: false, kernelInitializer: 'zeros' }),
    initialValues: ({ size }) => [
      Float32Array.from({ length: size ** 2 }, (_, i) => (i % (size + 1) === 0 ? 1 : 0) - 1 / size),
    ],
  },

  dense: {
    outputShape: ({ units }, [input]) => [...input.slice(0, -1), units],
    weights: ({ units, bias = true }, input) => [
      { shape: [input.at(-1)!, units], published: '.weight', layout: 'dense' },
      ...(bias ? [{ shape: [units], published: '.bias' }] : []),
    ],
    macs: (_, [input], output) => sizeOf(output) * input.at(-1)!,
    build: ({ units, bias = true, activation }, name) =>
      tf.layers.dense({
        name,
        units,
        useBias: bias,
        activation,
        kernelInitializer: 'zeros',
        biasInitializer: 'zeros',
      }),
    // PyTorch's default for linear layers: both U(±1 / √fan_in)
    initialValues: ({ units, bias = true, deviation, gain, start = 0 }, input, random) => {
      const inputs = input.at(-1)!;
      if (gain !== undefined) {
        return [orthogonalValues(random, inputs, units, gain), ...(bias ? [new Float32Array(units).fill(start)] : [])];
      }
      if (deviation !== undefined) {
        return [normalValues(random, inputs * units, deviation), ...(bias ? [new Float32Array(units)] : [])];
      }
      const bound = 1 / Math.sqrt(inputs);
      const draw = (size: number) =>
        random.fill(new Float32Array(size), 'uniform').map((value) => (2 * value - 1) * bound);
      return [draw(inputs * units), ...(bias ? [draw(units)] : [])];
    },
  },
};

/** How many windows fit into an axis. */
function windows(
  length: number,
  { size, stride = 1, padding }: { size: number; stride?: number; padding?: 'same' | 'valid' },
): number {
  return padding === 'valid' ? Math.floor((length - size) / stride) + 1 : Math.ceil(length / stride);
}

/** Values of a tensor of a shape. */
export function sizeOf(shape: Shape): number {
  return shape.reduce((product, n) => product * n, 1);
}
