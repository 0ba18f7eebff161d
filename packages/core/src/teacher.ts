import type { Batch } from './batch.js';
import type { Dataset, DatasetText } from './dataset.js';
import type { EnvironmentSpaces } from './environment.js';
import type { Emit } from './events.js';
import type { HostTensor } from './host-tensor.js';
import type { NetworkOutput, OutputShapes } from './network-output.js';
import type { RunScope } from './registry.js';

export interface TeacherDescription {
  /** Class names in the order of its logits, already mapped onto the data set's; undefined when the source names none. */
  classes?: string[];
  /** Outputs with their shapes, batch axis left out. */
  provides: OutputShapes;
  /** sha256 over weights and structure. */
  fingerprint: string;
  /**
   * What its answers depend on beside its weights, as text: preprocessing, layers, the order of classes. A cache of outputs goes by
   * fingerprint and settings.
   */
  settings?: string;
  /** One line for people: format, size. */
  summary: string;
  /** The final classifier, kernel [D, C] and bias [C], when the source has one. */
  classifier?: { kernel: HostTensor; bias: HostTensor };
}

/** A frozen network. Preprocesses for itself from pixels in [0, 1] and never trains. */
export interface Teacher {
  readonly id: string;
  describe(): TeacherDescription;
  /** The caller owns the tensors. May run in a worker, so start it early and await it late. */
  infer(batch: Batch): Promise<NetworkOutput>;
  /**
   * For dual encoders: images [B, H, W, 3] in [0, 1], texts [T, N], or both, with `logitScale` beside them. The caller owns the
   * tensors.
   */
  encode?(inputs: { image?: HostTensor; tokens?: HostTensor }): Promise<NetworkOutput>;
  dispose(): Promise<void> | void;
}

export interface TeacherContext {
  id: string;
  /** The data set's class names in label order; a teacher whose own differ maps them or is refused. */
  classes: string[];
  /** [H, W, 3] of the images it will be given. */
  imageShape: [number, number, number];
  /** The data set's texts, where it has any. */
  text?: DatasetText;
  /** What a teacher that acts sees and does: its batches have `state`; absent where it looks at a data set. */
  environment?: EnvironmentSpaces;
  /** For teachers that are made of others. */
  scope: RunScope;
  baseFolder: string;
  /** Where the teacher stands in the manifest, for errors: `teachers[1]`. */
  path: string;
}

/** What a cache of teachers' outputs is made for: it stands in for the teacher, and asks it for what it does not hold. */
export interface CacheContext {
  /** Disposed by whoever made it, not by the cache. */
  teacher: Teacher;
  dataset: Dataset;
  emit: Emit;
  baseFolder: string;
  /** Where the cache stands in the manifest, for errors: `cache`. */
  path: string;
}
