import type { Tensor, Tensor1D, Tensor2D, Variable } from '@tensorflow/tfjs';
import type { Batch } from './batch.js';
import type { HostTensor, Stateful } from './host-tensor.js';
import type { BatchTensors, NetworkOutput, OutputShapes } from './network-output.js';
import type { PartReference } from './part-reference.js';
import type { RunScope } from './registry.js';
import type { Seeds } from './seeds.js';
import type { TeacherDescription } from './teacher.js';

/** What a weighting or a reward may look at. Every tensor is detached from the student. */
export interface DistillationView {
  batch: BatchTensors;
  student: NetworkOutput;
  /** One per teacher, in manifest order. */
  teachers: NetworkOutput[];
  /** [B] student cross-entropy against the label. */
  studentCrossEntropy: Tensor1D;
  /** [B, M] teachers' cross-entropy against the label. */
  teacherCrossEntropy: Tensor2D;
  /** [B, M] sum of the losses weighted by `logit`, each times its weight; zeros when there is none. */
  logitLoss: Tensor2D;
  /** [B, M] sum of the losses weighted by `feature`, each times its weight; zeros when there is none. */
  featureLoss: Tensor2D;
  /** [B, M] cosine of the adapted, pooled student features and the teacher's embedding; undefined without an adapter. */
  similarity?: Tensor2D;
  /** Per teacher, the student's features in its space, pooled over positions, [B, D_m]; undefined without an adapter. */
  adapted: (Tensor2D | undefined)[];
}

/** Which of the two sets of teacher weights: of losses on predictions, or of losses on features. */
export type Head = 'logit' | 'feature';

/** Per-teacher weights of one batch. */
export interface TeacherWeights {
  /** [B, M] per head in use; what multiplies the losses. */
  fused: Partial<Record<Head, Tensor2D>>;
  /** [B, M]: the learned part before it is fused with closed-form priors, where there is one. */
  generator?: Partial<Record<Head, Tensor2D>>;
  /** What `afterStep` is to be given; the step hands it out because nothing may be kept inside it. */
  experience?: Record<string, Tensor>;
}

/** How much each teacher counts, per sample. A weighting whose part needs nothing from teachers runs without them. */
export interface Weighting extends Partial<Stateful> {
  /** What `weigh` reads and may assign. */
  readonly variables?: Record<string, Variable>;
  /** Random numbers `weigh` needs for a batch of this size, drawn on the host before the step. */
  noise?(batchSize: number): Record<string, HostTensor>;
  /**
   * Inside the step: synchronous, and detached, for the trainer does not differentiate through the result.
   *
   * @param noise absent when evaluating: no exploration, no experience, nothing assigned
   */
  weigh(view: DistillationView, noise: Record<string, Tensor> | undefined): TeacherWeights;
  /**
   * Between steps: remembers the experience (cloning what it keeps) and perhaps learns.
   *
   * @returns scalars for the log when it learned; the trainer disposes them
   */
  afterStep?(
    experience: Record<string, Tensor>,
    position: { lastInEpoch: boolean },
  ): Record<string, Tensor> | undefined;
  /**
   * Learns `variables` before the first step of a new run; a resumed run has them from its checkpoint. The pass gives the validation
   * split once, or the train split where there is none; whoever runs the pass disposes the outputs.
   */
  fit?(pass: AsyncIterable<{ teachers: NetworkOutput[]; batch: Batch }>): Promise<void>;
  /** Whether `weigh` gives `generator`. */
  readonly hasGenerator?: boolean;
  /** Tensors held as memory between steps. */
  readonly memoryTensors?: number;
  dispose?(): void;
}

export interface WeightingContext {
  /** Teacher ids in manifest order. */
  teachers: ({ id: string } & Pick<TeacherDescription, 'provides' | 'classifier'>)[];
  /** The student's outputs. */
  student: OutputShapes;
  classes: string[];
  /** Heads that some loss is weighted by. */
  heads: Head[];
  /** Temperature of the distillation loss, for closed forms that need it. */
  temperature: number;
  /** The manifest's `agent`, for weightings that use one. */
  agent?: PartReference<'agent'>;
  /** True when some feature loss has an adapter, so that `similarity` will be there. */
  hasSimilarity: boolean;
  /** Per teacher, the width of `adapted`; undefined without an adapter. */
  adaptedSizes: (number | undefined)[];
  scope: RunScope;
  seeds: Seeds;
  baseFolder: string;
  path: string;
}

/**
 * What each teacher is worth for each sample and head, [B, M], on a scale of its own: the weighting centers and scales it.
 * Pure; called inside the step.
 */
export type Reward = (view: DistillationView) => Record<Head, Tensor2D>;

export interface RewardContext {
  temperature: number;
  path: string;
}
