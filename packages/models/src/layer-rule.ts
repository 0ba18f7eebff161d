import type * as tf from '@tensorflow/tfjs';
import type { Random } from '@retort/core';

/** Without the batch axis: [H, W, K], [N, D] or [D]. */
export type Shape = number[];

/** A weight of a layer. */
export interface WeightRule {
  shape: Shape;
  /** false: a moving average, neither trained nor counted. */
  trainable?: false;
  /** What its name in published files has after the layer's: `.weight`, or nothing for a tensor on its own. */
  published?: string;
  /** How its axes lie in published files: as ours unless told. */
  layout?: WeightLayout;
}

/**
 * Where published tensors lie otherwise: `dense` [out, in] for [in, out]; `conv` [out, in, h, w] for [h, w, in, out]; `token` [1, 1, D]
 * for [D]; `positions` [1, N, D] for [N, D], on a grid that may be another one, or more of them. Leading axes of length one never
 * matter.
 */
export type WeightLayout = 'dense' | 'conv' | 'token' | 'positions';

/** Everything there is to know about a type of layer. */
export interface LayerRule<C> {
  outputShape(config: C, inputs: Shape[]): Shape;
  /** In the order of the layer's weights; none for those of `normalize`. */
  weights?(config: C, input: Shape): WeightRule[];
  /** Of one image, or one text. */
  macs?(config: C, inputs: Shape[], output: Shape): number;
  /** The tfjs layer. Its initializers draw nothing: see `initialValues`. */
  build(config: C, name: string): tf.layers.Layer;
  /** In the order of the layer's weights; a layer without this keeps what it was built with. */
  initialValues?(config: C, input: Shape, random: Random): Float32Array[];
}

/** So many draws from N(0, deviation²). */
export function normalValues(random: Random, size: number, deviation: number): Float32Array {
  return random.fill(new Float32Array(size), 'normal').map((value) => value * deviation);
}
