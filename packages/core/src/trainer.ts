import type { Checkpoints } from './checkpoint.js';
import type { Emit } from './events.js';
import type { MetricValue } from './metric.js';
import type { ResolvedManifest } from './manifest.js';
import type { RunFolder } from './run-folder.js';
import type { RunScope } from './registry.js';
import type { Seeds } from './seeds.js';

/** All a trainer is given. It takes every part from `scope` and names none. */
export interface TrainerContext {
  manifest: ResolvedManifest;
  scope: RunScope;
  seeds: Seeds;
  /** Absent for a dry composition (`retort validate`). */
  folder?: RunFolder;
  checkpoints?: Checkpoints;
  emit: Emit;
  signal: AbortSignal;
  baseFolder: string;
}

export interface TrainingResult {
  /** `interrupted`: a checkpoint was written and the run can be resumed. */
  status: 'finished' | 'interrupted';
  /** Numbers per evaluated student: `{ last: { 'test/top-1': 0.8 }, best: { … } }`. */
  results: Record<string, Record<string, MetricValue>>;
}

/** What a run would cost, before it starts. */
export interface RunEstimate {
  parameters: number;
  macs?: number;
  /** Bytes of one checkpoint. */
  checkpointBytes: number;
  /** Bytes of tensors at the peak of a step, roughly. */
  memoryBytes: number;
  /** Seconds for the whole run, from a few timed steps. */
  seconds: number;
  stepsPerEpoch: number;
  epochs: number;
}

/** Parts composed into a run, checked, and not started. */
export interface Trainer {
  train(): Promise<TrainingResult>;
  /** Times a few steps on real batches; nothing is written. */
  estimate(): Promise<RunEstimate>;
  /** Evaluates the student as it stands (freshly built or loaded) on a split. */
  evaluate(split: 'train' | 'validation' | 'test'): Promise<Record<string, MetricValue>>;
  dispose(): Promise<void> | void;
}
