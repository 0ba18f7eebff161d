import { InputError } from '@retort/core';
import type { LayerRule, Shape } from './layer-rule.js';
import { layerRules, sizeOf, type LayerConfig } from './layer-rules.js';

/** A layer of a network that does not exist yet. */
export interface LayerSpec {
  /** Unique in the network; weights are keyed by it. */
  name: string;
  /** Names of earlier layers, or `image`. */
  from: string[];
  config: LayerConfig;
  /** What the layer is called in published weights; absent where none are read. */
  published?: string;
}

/** A network as plain data: counted without allocating, built by `buildStudent`. */
export interface NetworkSpec {
  /** [H, W, channels] of `image`, the input. */
  imageShape: [number, number, number];
  /** In an order in which every layer stands after those it reads. */
  layers: LayerSpec[];
  /** Layer names by output name, in the order of the model's outputs. */
  outputs: Record<string, string>;
}

/** Shapes without the batch axis, by layer name; `image` among them. */
export function inferShapes({ imageShape, layers }: NetworkSpec): Map<string, Shape> {
  const shapes = new Map<string, Shape>([['image', imageShape]]);
  for (const { name, from, config } of layers) {
    if (shapes.has(name)) throw new InputError(`two layers are called "${name}"`);
    const inputs = from.map((source) => {
      const shape = shapes.get(source);
      if (!shape) throw new InputError(`layer "${name}" reads "${source}", which no earlier layer is called`);
      return shape;
    });
    shapes.set(name, ruleOf(config).outputShape(config, inputs));
  }
  return shapes;
}

/**
 * Trainable parameters, and multiply-accumulates of one image: those of convolutions, dense layers and the products of attention.
 * Nothing is allocated.
 */
export function countNetwork(spec: NetworkSpec): { parameters: number; macs: number } {
  const shapes = inferShapes(spec);
  const total = { parameters: 0, macs: 0 };
  for (const { name, from, config } of spec.layers) {
    const rule = ruleOf(config);
    const inputs = from.map((source) => shapes.get(source)!);
    for (const { shape, trainable = true } of rule.weights?.(config, inputs[0]) ?? []) {
      if (trainable) total.parameters += sizeOf(shape);
    }
    total.macs += rule.macs?.(config, inputs, shapes.get(name)!) ?? 0;
  }
  return total;
}

/** The rule of a config's type. */
export function ruleOf(config: LayerConfig): LayerRule<LayerConfig> {
  return layerRules[config.type] as LayerRule<LayerConfig>;
}
