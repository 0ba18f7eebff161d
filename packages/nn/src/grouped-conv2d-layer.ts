import * as tf from '@tensorflow/tfjs';
import { groupedConv2d } from './grouped-conv2d.js';

type Initializer = ReturnType<typeof tf.initializers.zeros>;

export interface GroupedConv2dLayerConfig {
  name?: string;
  trainable?: boolean;
  inputShape?: [number, number, number];
  /** Channels of the output. */
  filters: number;
  kernelSize: number | [number, number];
  /** Divides the channels of the input and the output. */
  groups: number;
  /** 1 unless told. */
  strides?: number | [number, number];
  /** `same` unless told. */
  padding?: 'same' | 'valid';
  /** 1 unless told. */
  dilationRate?: number | [number, number];
  /** A bias for every channel of the output; true unless told. */
  useBias?: boolean;
  /** Of the kernel. Without it the kernel starts at zero, for networks that set their weights themselves. */
  kernelInitializer?: Initializer;
}

/** What comes out of a file in the place of an initializer. */
interface SavedInitializer {
  className: string;
  config: tf.serialization.ConfigDict;
}

const pair = (value: number | [number, number]): [number, number] =>
  typeof value === 'number' ? [value, value] : value;

class GroupedConv2DLayer extends tf.layers.Layer {
  static readonly className = 'GroupedConv2D';
  readonly #options: GroupedConv2dLayerConfig;
  readonly #initializer: Initializer;
  #kernel?: tf.LayerVariable;
  #bias?: tf.LayerVariable;

  constructor(config: GroupedConv2dLayerConfig) {
    super(config);
    this.#options = config;
    this.#initializer = initializerOf(config.kernelInitializer);
    this.inputSpec = [{ ndim: 4 }];
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const { kernelSize, groups, filters, useBias = true } = this.#options;
    const [channels] = (inputShape as number[]).slice(-1);
    const shape = [...pair(kernelSize), channels / groups, filters];
    this.#kernel = this.addWeight('kernel', shape, 'float32', this.#initializer);
    if (useBias) this.#bias = this.addWeight('bias', [filters], 'float32', tf.initializers.zeros());
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const { groups, strides = 1, padding = 'same', dilationRate = 1 } = this.#options;
    return tf.tidy(() => {
      const [x] = [inputs].flat() as tf.Tensor4D[];
      const kernel = this.#kernel!.read() as tf.Tensor4D;
      const y = groupedConv2d(x, kernel, { groups, strides, pad: padding, dilations: dilationRate });
      return this.#bias ? y.add(this.#bias.read()) : y;
    });
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    const { filters, kernelSize, strides = 1, padding = 'same', dilationRate = 1 } = this.#options;
    const [batch, ...sizes] = (inputShape as tf.Shape).slice(0, 3);
    const outputs = sizes.map((size, axis) => {
      if (size === null) return null;
      const reach = padding === 'same' ? 1 : (pair(kernelSize)[axis] - 1) * pair(dilationRate)[axis] + 1;
      return Math.ceil((size - reach + 1) / pair(strides)[axis]);
    });
    return [batch, ...outputs, filters];
  }

  override getConfig(): tf.serialization.ConfigDict {
    const {
      filters,
      kernelSize,
      groups,
      strides = 1,
      padding = 'same',
      dilationRate = 1,
      useBias = true,
    } = this.#options;
    return {
      ...super.getConfig(),
      ...{ filters, kernelSize, groups, strides, padding, dilationRate, useBias },
      kernelInitializer: { className: this.#initializer.getClassName(), config: this.#initializer.getConfig() },
    };
  }
}

/** The layer may come from code or from a file. */
function initializerOf(given: Initializer | SavedInitializer | undefined): Initializer {
  if (!given) return tf.initializers.zeros();
  if ('getClassName' in given) return given;
  const [type, fromConfig] = tf.serialization.SerializationMap.getMap().classNameMap[given.className];
  return fromConfig(type, given.config) as Initializer;
}

/** Lets tfjs load models with grouped convolutions. Calling it again changes nothing. */
export function registerGroupedConv2dLayer(): void {
  tf.serialization.registerClass(GroupedConv2DLayer);
}

/**
 * Grouped convolution as a layer: [B, H, W, C] → [B, H′, W′, filters]; weights `kernel` [h, w, C / groups, filters] and `bias`
 * [filters]. A saved model with this layer loads after {@link registerGroupedConv2dLayer}.
 */
export function groupedConv2dLayer(config: GroupedConv2dLayerConfig): tf.layers.Layer {
  registerGroupedConv2dLayer();
  return new GroupedConv2DLayer(config);
}
