import type { LayersModel } from '@tensorflow/tfjs';
import type { DatasetSequences, DatasetText } from './dataset.js';
import type { EnvironmentSpaces } from './environment.js';
import type { HostTensor } from './host-tensor.js';
import type { OutputShapes } from './network-output.js';
import type { Seeds } from './seeds.js';

/**
 * A network to be trained: a LayersModel with one output per name in `offers`, in that order. Its inputs are `image`, pixels in
 * [0, 1], and where it reads texts `tokens`; or `tokens` alone, a sequence to be gone on with; or `state`, what an environment
 * shows, and where it remembers `memory`. Every layer is named; a weight's key is `layer/weight`.
 */
export interface Student {
  readonly model: LayersModel;
  readonly offers: OutputShapes;
  /** Layers that end a block or a stage of the image encoder, from first to last; absent where there is nothing to tap. */
  readonly blocks?: readonly string[];
  /** Trainable parameters; those of a fixed normalization layer are not counted. */
  readonly parameters: number;
  /** Multiply-accumulates of convolutions, dense layers and attention, one image; undefined when unknown. */
  readonly macs?: number;
  /**
   * What a page or script imports before tfjs can load the saved student, `@retort/models/layers`: goes into its metadata as
   * `imports`. Absent where all layers are tfjs's own.
   */
  readonly imports?: string;
  /**
   * Random numbers for the forward pass of one training step, by name of the layer that reads them; absent when there are none.
   * A function of the seed and the arguments alone, so that a run taken up again gets the same ones.
   *
   * @param batchSize B, the first axis of each tensor
   * @param step number of the update
   */
  noise?(batchSize: number, step: number): Record<string, HostTensor>;
}

export interface StudentContext {
  /** Names of classes, or of the numbers of discrete actions. */
  classes: string[];
  /** Of an environment what it shows: a grid's own shape, [1, 1, S] of a vector. */
  imageShape: [number, number, number];
  /** Built into the network's first layer, so that users feed plain pixels. */
  normalization: { mean: number[]; deviation: number[] };
  /** The data set's texts, where it has any. */
  text?: DatasetText;
  /** What the data set's sequences are made of, where it has such. */
  sequences?: DatasetSequences;
  /** What a network that acts sees and does; absent where it learns from a data set. */
  environment?: EnvironmentSpaces;
  seeds: Seeds;
  baseFolder: string;
  path: string;
}
