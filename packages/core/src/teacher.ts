import type { Batch } from './batch.js';
import type { HostTensor } from './host-tensor.js';
import type { NetworkOutput, OutputShapes } from './network-output.js';

export interface TeacherDescription {
  /** Class names in the order of its logits, already mapped onto the data set's; undefined when the source names none. */
  classes?: string[];
  /** Outputs with their shapes, batch axis left out. */
  provides: OutputShapes;
  /** sha256 over weights and structure. */
  fingerprint: string;
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
  dispose(): Promise<void> | void;
}

export interface TeacherContext {
  id: string;
  /** The data set's class names in label order; a teacher whose own differ maps them or is refused. */
  classes: string[];
  /** [H, W, 3] of the images it will be given. */
  imageShape: [number, number, number];
  baseFolder: string;
  /** Where the teacher stands in the manifest, for errors: `teachers[1]`. */
  path: string;
}
