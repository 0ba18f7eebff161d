import { InputError } from '@retort/core';
import type { LayerRule, Shape } from './layer-rule.js';
import { layerRules, sizeOf, type LayerConfig } from './layer-rules.js';

/** A layer of a network that does not exist yet. */
export interface LayerSpec {
  /** Unique in the network; weights are keyed by it. */
  name: string;
  /** Names of earlier layers, or of inputs: `image`, and `tokens` where texts are read; or `state`, and `memory` where it remembers. */
  from: string[];
  config: LayerConfig;
  /** What the layer is called in published weights; absent where none are read. */
  published?: string;
}

/** A network as plain data: counted without allocating, built by `buildStudent`. */
export interface NetworkSpec {
  /** [H, W, channels] of the input `image`; absent where none are looked at. */
  imageShape?: [number, number, number];
  /** N of the input `tokens` [N] int32; absent where no texts are read. */
  contextLength?: number;
  /** Of the input `state`, in networks that act. */
  stateShape?: Shape;
  /** M of the input `memory` [M]; absent where nothing is remembered. */
  memorySize?: number;
  /** In an order in which every layer stands after those it reads. */
  layers: LayerSpec[];
  /** Layer names by output name, in the order of the model's outputs. */
  outputs: Record<string, string>;
  /** Layers that end a stage or block of the image encoder, from first to last: see `Student.blocks`. */
  blocks?: string[];
}

/** Inputs by name, without the batch axis. */
export function inputShapes({ imageShape, contextLength, stateShape, memorySize }: NetworkSpec): Record<string, Shape> {
  return {
    ...(imageShape && { image: imageShape }),
    ...(contextLength !== undefined && { tokens: [contextLength] }),
    ...(stateShape && { state: stateShape }),
    ...(memorySize !== undefined && { memory: [memorySize] }),
  };
}

/** Shapes without the batch axis, by layer name; those of the inputs among them. */
export function inferShapes(spec: NetworkSpec): Map<string, Shape> {
  const { layers } = spec;
  const shapes = new Map<string, Shape>(Object.entries(inputShapes(spec)));
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
 * Trainable parameters, and multiply-accumulates of one image, and of one text where they are read: those of convolutions, dense layers and the products of attention.
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
