import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs';
import type { HostTensor, Stateful } from './host-tensor.js';
import type { BatchTensors, NetworkOutput, OutputShapes } from './network-output.js';
import type { PartReference } from './part-reference.js';
import type { RunScope } from './registry.js';
import type { Seeds } from './seeds.js';

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
}

/** Per-teacher weights, [M] or [B, M]. */
export interface TeacherWeights {
  logit: Tensor;
  feature: Tensor;
  /** The learned part before it is fused with closed-form priors, when there is one. */
  generator?: { logit: Tensor2D; feature: Tensor2D };
}

/** How much each teacher counts, per sample. */
export interface Weighting extends Partial<Stateful> {
  /** Random numbers `weigh` needs for a batch of this size, drawn on the host before the step. */
  noise?(batchSize: number): Record<string, HostTensor>;
  /** Inside the step. The trainer does not differentiate through the result. */
  weigh(view: DistillationView, noise: Record<string, Tensor>): TeacherWeights;
  /** Inside the step, after the student's update was computed: remember, and perhaps learn. */
  observe?(view: DistillationView): void;
  /** Between steps: `last` marks the end of an epoch. Returns scalars for the log when it learned. */
  afterStep?(position: { epoch: number; step: number; last: boolean }): Record<string, Tensor> | undefined;
  dispose?(): void;
}

export interface WeightingContext {
  /** Teacher ids in manifest order. */
  teachers: { id: string; provides: OutputShapes }[];
  classes: string[];
  /** KD temperature, for closed forms that need it. */
  temperature: number;
  /** The manifest's `agent`, for weightings that use one. */
  agent?: PartReference<'agent'>;
  /** True when some feature loss has an adapter, so that `similarity` will be there. */
  hasSimilarity: boolean;
  scope: RunScope;
  seeds: Seeds;
  path: string;
}

/** Reward of each teacher for each sample and head, [B, M] each. Pure; called inside the step. */
export type Reward = (view: DistillationView) => { logit: Tensor2D; feature: Tensor2D };

export interface RewardContext {
  temperature: number;
  teachers: { id: string; provides: OutputShapes }[];
  path: string;
}
