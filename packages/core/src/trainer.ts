import type { Checkpoints } from './checkpoint.js';
import type { Split } from './batch.js';
import type { Emit } from './events.js';
import type { StateTree } from './host-tensor.js';
import type { MetricValue } from './metric.js';
import type { ResolvedManifest } from './manifest.js';
import type { RunFolder } from './run-folder.js';
import type { RunScope } from './registry.js';
import type { Seeds } from './seeds.js';

/** All a trainer is given to compose a run. It takes every part from `scope` and names none. */
export interface TrainerContext {
  manifest: ResolvedManifest;
  scope: RunScope;
  seeds: Seeds;
  emit: Emit;
  /** The folder that relative paths in the manifest start from. */
  baseFolder: string;
}

/** Where and how a composed run goes. */
export interface TrainingOptions {
  folder: RunFolder;
  checkpoints: Checkpoints;
  /** The state to go on from; absent for a new run. */
  resumeFrom?: StateTree;
  /** When it fires, a checkpoint is written after the step in flight and the run ends as `interrupted`. */
  signal: AbortSignal;
  /** Tells the world and the run's log. */
  emit: Emit;
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
  /** sha256 of the data set and of each teacher, recorded in the run and compared when it is resumed. */
  readonly fingerprints: Record<string, string>;
  train(options: TrainingOptions): Promise<TrainingResult>;
  /** Times a few steps on real batches; nothing is written. */
  estimate(): Promise<RunEstimate>;
  /** Evaluates a saved student (`RUN/student/best`) on a split. */
  evaluate(studentFolder: string, split: Split): Promise<Record<string, MetricValue>>;
}
