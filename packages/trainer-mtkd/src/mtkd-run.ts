import type {
  CreateMetrics,
  Dataset,
  LossTerm,
  Seeds,
  StepTools,
  Student,
  Teacher,
  TrainerContext,
  Weighting,
} from '@retort/core';
import { type BoundOptimizer, mapValues, type Schedule, type StepLog, type TensorMap } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import type { TrainingStepInputs } from './distillation-step.js';
import type { MtkdOptions } from './options.js';
import type { StudentAverage } from './student-average.js';
import type { WeightLog } from './weight-log.js';

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
  /** Whether steps are given reserved samples. */
  heldOut: boolean;
  tools: StepTools;
  state: TrainingState;
  createMetrics: CreateMetrics;
}

/** What changes while a run goes; all of it is in a checkpoint. */
export interface TrainingState {
  trainable: Record<string, tf.Variable>;
  frozen: Record<string, tf.Variable>;
  optimizer: BoundOptimizer;
  log: StepLog;
  weightLog: WeightLog;
  weighting: Weighting;
  average?: StudentAverage;
  seeds: Seeds;
  runStep(inputs: TrainingStepInputs): TensorMap;
}

/** The learning rate of a step, 0-based over the run. */
export function learningRateAt({ schedule, learningRate }: MtkdRun, step: number): number {
  return learningRate * schedule(step);
}

/** The student's own variables, by their keys in the run. */
export function studentVariables({
  trainable,
  frozen,
}: Pick<TrainingState, 'trainable' | 'frozen'>): Record<string, tf.Variable> {
  return Object.fromEntries(Object.entries({ ...trainable, ...frozen }).filter(([key]) => key.startsWith('student/')));
}

/** Runs `body` while the student is what is evaluated and saved: its average, in runs that have one. */
export async function withAveragedStudent<T>({ state }: MtkdRun, body: () => Promise<T>): Promise<T> {
  if (!state.average) return body();
  const student = studentVariables(state);
  const current = mapValues(student, (variable) => variable.clone());
  const become = (values: Record<string, tf.Tensor>) => {
    for (const [key, variable] of Object.entries(student)) variable.assign(values[key]);
  };
  become(state.average.variables);
  try {
    return await body();
  } finally {
    become(current);
    tf.dispose(current);
  }
}
