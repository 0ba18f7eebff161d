import type { LayersModel } from '@tensorflow/tfjs';
import type { OutputShapes } from './network-output.js';
import type { Seeds } from './seeds.js';

/**
 * A network to be trained: a LayersModel from pixels in [0, 1] with one output per name in `offers`, in that order.
 * Every layer is named; a weight's key is `layer/weight`.
 */
export interface Student {
  readonly model: LayersModel;
  readonly offers: OutputShapes;
  /** Trainable parameters; those of a fixed normalisation layer are not counted. */
  readonly parameters: number;
  /** Multiply-accumulates of convolutions and dense layers, one image; undefined when unknown. */
  readonly macs?: number;
}

export interface StudentContext {
  classes: string[];
  imageShape: [number, number, number];
  /** Built into the network's first layer, so that users feed plain pixels. */
  normalization: { mean: number[]; deviation: number[] };
  seeds: Seeds;
  baseFolder: string;
  path: string;
}
