import type {
  Dataset,
  DatasetSequences,
  LossTerm,
  Objective,
  Seeds,
  Student,
  Teacher,
  TrainerContext,
} from '@retort/core';
import type { BoundOptimizer, NamedWeights, Schedule, StepLog } from '@retort/nn';
import type * as tf from '@tensorflow/tfjs';
import type { SequenceOptions } from './sequence-options.js';
import type { AnswerWriter } from './sequence-writer.js';

/** Distillation or GRPO. */
export interface SequencePhase {
  /** Number of its first step over the run. */
  start: number;
  steps: number;
  optimizer: BoundOptimizer;
  schedule: Schedule;
  /** Peak; the schedule multiplies it. */
  learningRate: number;
  log: StepLog;
}

/** Everything a run is made of, checked against each other. */
export interface SequenceRun {
  context: TrainerContext;
  options: SequenceOptions;
  dataset: Dataset;
  sequences: DatasetSequences;
  student: Student;
  teacher?: Teacher;
  terms: LossTerm[];
  phases: [distillation: SequencePhase, grpo: SequencePhase];
  stepsPerEpoch: number;
  writer: AnswerWriter;
  objective: Objective;
  /** What the student was when GRPO began, where it is kept near that. */
  reference?: Student;
  trainable: Record<string, tf.Variable>;
  frozen: Record<string, tf.Variable>;
  seeds: Seeds;
}

/** Which phase a step belongs to: 0 or 1. */
export function phaseAt({ phases }: Pick<SequenceRun, 'phases'>, step: number): 0 | 1 {
  return step < phases[1].start ? 0 : 1;
}

export function sequenceLearningRate(run: Pick<SequenceRun, 'phases'>, step: number): number {
  const { schedule, learningRate, start } = run.phases[phaseAt(run, step)];
  return learningRate * schedule(step - start);
}

/** All weights of a network, as a compiled step lists them. */
export function allWeights({ trainable, frozen }: NamedWeights): Record<string, tf.Variable> {
  return { ...trainable, ...frozen };
}
