import type { CreateMetrics, Dataset, LossTerm, Seeds, Student, Teacher, TrainerContext } from '@retort/core';
import type { BoundOptimizer, Schedule, StepLog } from '@retort/nn';
import type * as tf from '@tensorflow/tfjs';
import type { Anneal } from './anneal.js';
import type { AuxiliaryTaps } from './auxiliary-taps.js';
import type { Candidates } from './candidates.js';
import type { CollapseSigns } from './collapse-watch.js';
import type { KdrlOptions } from './options.js';
import type { DecisionPolicy } from './policy.js';

/** One of the two stages. */
export interface Stage {
  /** Number of its first step over the run. */
  start: number;
  steps: number;
  optimizer: BoundOptimizer;
  schedule: Schedule;
  /** Peak; the schedule multiplies it. */
  learningRate: number;
  log: StepLog;
}

/** Where features are to lie. Made before the first step, on the device what steps read. */
export interface CenterState {
  /** [K, D], unit length. */
  centers: tf.Variable;
  /** Cluster of each train sample, by its number in the data set. */
  assignment: Map<number, number>;
}

/** Everything a run is made of, checked against each other. */
export interface KdrlRun {
  context: TrainerContext;
  options: KdrlOptions;
  dataset: Dataset;
  student: Student;
  /** The student with the layers that are tapped among its outputs. */
  network: Pick<Student, 'model' | 'offers'>;
  teacher?: Teacher;
  terms: LossTerm[];
  candidates: Candidates;
  taps?: AuxiliaryTaps;
  tapSize: number;
  tapCount: number;
  stages: [Stage, Stage];
  stepsPerEpoch: number;
  /** By the number of candidates; undefined without rewards. */
  policies?: Map<number, DecisionPolicy>;
  /** Names of the rewards. */
  rewards: string[];
  updates: number;
  anneal: Anneal;
  centers?: CenterState;
  createMetrics: CreateMetrics;
  trainable: Record<string, tf.Variable>;
  frozen: Record<string, tf.Variable>;
  seeds: Seeds;
  /** What stage 2 began with, for the watch over collapse. */
  signs?: CollapseSigns;
}

/** Which stage a step belongs to: 0 or 1. */
export function stageAt({ stages }: Pick<KdrlRun, 'stages'>, step: number): 0 | 1 {
  return step < stages[1].start ? 0 : 1;
}

export function learningRateAt(run: Pick<KdrlRun, 'stages'>, step: number): number {
  const { schedule, learningRate, start } = run.stages[stageAt(run, step)];
  return learningRate * schedule(step - start);
}
