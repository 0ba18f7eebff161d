import type { Scalar, Tensor1D, Tensor4D, Variable } from '@tensorflow/tfjs';
import type { Batch } from './batch.js';
import type { BatchTensors, NetworkOutput, OutputShapes } from './network-output.js';
import type { Seeds } from './seeds.js';

export interface LossValue {
  /** [B]; weighted per sample by the trainer. */
  perSample: Tensor1D;
  /** A part that exists for the batch as a whole only. */
  batch?: Scalar;
  /** The student's feature map in the teacher's space [B, H, W, K], where the loss has an adapter. */
  adapted?: Tensor4D;
}

/** One loss term, of one teacher where it has one. Applied inside a step: synchronous, nothing read back. */
export interface Loss {
  /** Trained with the student and dropped from the saved student. Keys are stable: `kernel`, `gamma` … */
  readonly variables?: Record<string, Variable>;
  /** Not trained but part of the state, such as moving averages. */
  readonly state?: Record<string, Variable>;
  /** [H, W, K] of `adapted`, for a loss that hands it out. */
  readonly adaptedShape?: number[];
  /**
   * Learns `state` from the train split before the first step of a new run. A resumed run has it from its checkpoint. The pass gives
   * every sample once, as the first epoch sees it, with the outputs of the loss's own teacher; whoever runs the pass disposes them.
   */
  fit?(pass: AsyncIterable<{ teacher: NetworkOutput; batch: Batch }>): Promise<void>;
  apply(
    student: NetworkOutput,
    teacher: NetworkOutput | undefined,
    batch: BatchTensors,
    mode: { training: boolean },
  ): LossValue;
  dispose?(): void;
}

export interface LossContext {
  /** The student's outputs by name, as the loss will see them after renaming. */
  student: OutputShapes;
  /** The teacher's outputs; undefined for a loss without a teacher. */
  teacher?: OutputShapes;
  teacherId?: string;
  /** Class names in label order, for losses that keep something per class. */
  classes?: string[];
  seeds: Seeds;
  /** Where the loss stands in the manifest: `losses[2]`. */
  path: string;
}
