import type { LayerConfig } from './layer-rules.js';
import type { LayerSpec } from './network-spec.js';

type ConvOptions = Omit<Extract<LayerConfig, { type: 'conv' }>, 'type' | 'deviation'>;

/** What the convolution and the batch norm are called in published weights. */
export type PublishedPair = readonly [conv: string, norm: string];

/** Convolution and batch norm: layers `NAME_conv` and `NAME_norm`. */
export function convNorm(name: string, from: string, options: ConvOptions, published?: PublishedPair): LayerSpec[] {
  return [
    { name: `${name}_conv`, from: [from], config: { type: 'conv', ...options }, published: published?.[0] },
    { name: `${name}_norm`, from: [`${name}_conv`], config: { type: 'batch-norm' }, published: published?.[1] },
  ];
}

/** {@link convNorm} and a ReLU, `NAME_relu`. */
export function convNormRelu(name: string, from: string, options: ConvOptions, published?: PublishedPair): LayerSpec[] {
  return [
    ...convNorm(name, from, options, published),
    { name: `${name}_relu`, from: [`${name}_norm`], config: { type: 'relu' } },
  ];
}

/** Depthwise convolution and batch norm: layers `NAME_conv` and `NAME_norm`. */
export function depthwiseNorm(name: string, from: string, options: { size: number; stride?: number }): LayerSpec[] {
  return [
    { name: `${name}_conv`, from: [from], config: { type: 'depthwise-conv', ...options } },
    { name: `${name}_norm`, from: [`${name}_conv`], config: { type: 'batch-norm' } },
  ];
}
