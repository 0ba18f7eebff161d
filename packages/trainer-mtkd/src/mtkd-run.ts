import type { Dataset, Metric, Seeds, Student, Teacher, TrainerContext, Weighting } from '@retort/core';
import type { BoundOptimizer, Schedule, TensorMap } from '@retort/nn';
import type * as tf from '@tensorflow/tfjs';
import type { StepInputs } from './distillation-step.js';
import type { LossTerm } from './loss-terms.js';
import type { MtkdOptions } from './options.js';
import type { StepLog } from './step-log.js';

/** Everything a run is made of, checked against each other. */
export interface MtkdRun {
  context: TrainerContext;
  options: MtkdOptions;
  dataset: Dataset;
  student: Student;
  teachers: Teacher[];
  terms: LossTerm[];
  weighting: Weighting;
  schedule: Schedule;
  /** Peak; the schedule multiplies it. */
  learningRate: number;
  stepsPerEpoch: number;
  state: TrainingState;
  createMetrics(withTeachers: boolean): Promise<Metric[]>;
}

/** What changes while a run goes; all of it is in a checkpoint. */
export interface TrainingState {
  trainable: Record<string, tf.Variable>;
  frozen: Record<string, tf.Variable>;
  optimizer: BoundOptimizer;
  log: StepLog;
  weighting: Weighting;
  seeds: Seeds;
  runStep(inputs: StepInputs): TensorMap;
}

/** The learning rate of a step, 0-based over the run. */
export function learningRateAt({ schedule, learningRate }: MtkdRun, step: number): number {
  return learningRate * schedule(step);
}

/** The student's own variables, by their keys in the run. */
export function studentVariables({ state: { trainable, frozen } }: MtkdRun): Record<string, tf.Variable> {
  return Object.fromEntries(Object.entries({ ...trainable, ...frozen }).filter(([key]) => key.startsWith('student/')));
}
