import type { Scalar, Tensor, Tensor1D, Tensor2D, Variable } from '@tensorflow/tfjs';
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
  /** [B] student cross-entropy against the label; 0 where that is unknown. */
  studentCrossEntropy: Tensor1D;
  /** [B, M] teachers' cross-entropy against the label; 0 where that is unknown, so that teachers tie. */
  teacherCrossEntropy: Tensor2D;
  /** [B, M] sum of the losses weighted by `logit`, each times its weight; zeros when there is none. */
  logitLoss: Tensor2D;
  /** [B, M] sum of the losses weighted by `feature`, each times its weight; zeros when there is none. */
  featureLoss: Tensor2D;
  /** [B, M] cosine of the adapted, pooled student features and the teacher's embedding; undefined without an adapter. */
  similarity?: Tensor2D;
  /** Per teacher, the student's features in its space, pooled over positions, [B, D_m]; undefined without an adapter. */
  adapted: (Tensor2D | undefined)[];
  /**
   * [B, M] per head: how fast a step down the gradient of a teacher's loss lowers the loss on reserved samples. Measured before the
   * step where a part of the run needs it; absent otherwise, and when evaluating.
   */
  lookAhead?: Record<Head, Tensor2D>;
  /** [B, M] per head: what the student's losses are multiplied by. For rewards only, once the weighting has decided. */
  weights?: Partial<Record<Head, Tensor2D>>;
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

/** What a step is given. */
export interface StepInputs {
  batch: Batch;
  /** One per teacher, in manifest order; whoever runs the step disposes them. */
  teachers: NetworkOutput[];
  /** 1-based number of this update. */
  update: number;
  learningRate: number;
}

/** The losses of a trial batch, on the tape of whoever asked. */
export interface TrialLosses {
  /** [B, M] per head in use: all losses weighted by it, each times its weight, parts of the batch as a whole included. */
  byHead: Partial<Record<Head, Tensor2D>>;
  /** Mean over the batch of the student's cross-entropy against the label. */
  crossEntropy: Scalar;
  view: DistillationView;
}

/** What a weighting that looks ahead or meta-learns may try between two steps. */
export interface StepTools {
  /** What a step trains, by key: the student's parameters and those of its losses' adapters. */
  readonly parameters: Record<string, Variable>;
  /** The optimizer's tensors, by `parameter/slot`. */
  readonly slots: Record<string, Variable>;
  /** All that a step changes: parameters, moving averages, slots, log. What `compile` is to be told when it evaluates. */
  readonly variables: Record<string, Variable>;
  /** Remembers `variables`. `restore` puts every bit back, as often as wanted; `dispose` forgets. */
  snapshot(): { restore(): void; dispose(): void };
  /** Random numbers that `evaluate` is to be given, by layer; none for a student that draws none. */
  noise(batchSize: number, update: number): Record<string, HostTensor>;
  /** The student in training mode, and its losses. Moves batch-norm averages: take a snapshot first. */
  evaluate(batch: BatchTensors, teachers: NetworkOutput[], noise: Record<string, Tensor>): TrialLosses;
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
   * Between steps, before the one with these inputs: may await, try steps of its own and learn. It leaves everything in
   * `tools.variables` as it was, bit for bit.
   */
  beforeStep?(tools: StepTools, inputs: StepInputs): Promise<void>;
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
  /** Samples in a batch of the train split; the last of an epoch may have fewer. */
  batchSize: number;
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
