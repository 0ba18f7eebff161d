import type { Batch, BatchTensors, Head, NetworkOutput, Student, Weighting } from '@retort/core';
import {
  batchTensors,
  type BoundOptimizer,
  compile,
  forward,
  gradientsWithAux,
  namedWeights,
  type NamedWeights,
  type TensorMap,
  toTensor,
  untaped,
} from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { type EvaluatedTerms, evaluateTerms } from './distillation-view.js';
import type { LossTerm } from './loss-terms.js';
import type { StepLog } from './step-log.js';

/** All that a step works on. */
export interface StepParts {
  student: Student;
  terms: readonly LossTerm[];
  weighting: Weighting;
  optimizer: BoundOptimizer;
  parameters: Record<string, tf.Variable>;
  teacherCount: number;
  log: StepLog;
  verifyReplay: number;
}

/** What one step is given, before it becomes tensors. */
export interface StepInputs {
  batch: Batch;
  teachers: NetworkOutput[];
  /** 1-based number of this update. */
  update: number;
  learningRate: number;
}

/** Trainable parameters of the student and of the losses' adapters, by `student/…` and `losses/TERM/TEACHER/…`. */
export function trainableParameters(student: Student, terms: readonly LossTerm[], teacherIds: string[]): NamedWeights {
  const weights = namedWeights(student.model);
  const prefixed = (prefix: string, variables: Record<string, tf.Variable> = {}) =>
    Object.entries(variables).map(([key, variable]) => [`${prefix}/${key}`, variable] as const);
  const ofLosses = (which: 'variables' | 'state') =>
    terms.flatMap(({ id, losses, head }) =>
      losses.flatMap(({ loss }, m) => prefixed(`losses/${id}/${head ? teacherIds[m] : 'task'}`, loss[which])),
    );
  return {
    trainable: Object.fromEntries([...prefixed('student', weights.trainable), ...ofLosses('variables')]),
    frozen: Object.fromEntries([...prefixed('student', weights.frozen), ...ofLosses('state')]),
  };
}

/**
 * One training step as a function of tensors: student forward, losses [B, M], weights, one scalar, gradients, update. Nothing is
 * read back; log values pile up in variables.
 *
 * @returns a function that runs a step and hands out what the weighting is to remember; the caller disposes it
 */
export function createStep(parts: StepParts, frozen: Record<string, tf.Variable>): (inputs: StepInputs) => TensorMap {
  const { student, terms, weighting, optimizer, parameters, teacherCount, log } = parts;

  const step = (inputs: TensorMap): TensorMap => {
    const batch = { size: inputs['batch/image'].shape[0], ...ungroup(inputs, 'batch/') } as BatchTensors;
    const teachers = Array.from({ length: teacherCount }, (_, m) => ungroup(inputs, `teacher/${m}/`) as NetworkOutput);
    const noise = ungroup(inputs, 'noise/');
    const { gradients, aux } = gradientsWithAux(() => {
      const output = forward(student, batch.image!, { training: true });
      const evaluated = evaluateTerms(terms, output, teachers, batch, { training: true });
      const { fused, generator, experience } = untaped(() => weighting.weigh(evaluated.view, noise));
      const values = terms.map(({ head }, k) =>
        head ? weightedMean(evaluated.perSample[k], evaluated.perBatch[k], fused[head]!) : taskMean(evaluated, k),
      );
      const correct = untaped(() => output.logits!.argMax(1).equal(batch.label!).sum().cast('float32'));
      return {
        value: tf.addN(terms.map(({ weight }, k) => values[k].mul(weight))) as tf.Scalar,
        aux: {
          values: tf.stack(values),
          ...group('byTeacher/', Object.fromEntries(untaped(() => meansByTeacher(terms, evaluated)))),
          correct,
          ...group('fused/', fused),
          ...group('generator/', generator ?? {}),
          ...group('experience/', experience ?? {}),
        } as TensorMap,
      };
    }, parameters);
    const accept = log.record({
      batch,
      values: aux.values as tf.Tensor1D,
      byTeacher: Object.values(ungroup(aux, 'byTeacher/')) as tf.Tensor1D[],
      correct: aux.correct as tf.Scalar,
      gradients,
      update: inputs.update as tf.Scalar,
      weights: {
        fused: ungroup(aux, 'fused/') as Record<Head, tf.Tensor2D>,
        generator: ungroup(aux, 'generator/') as Record<Head, tf.Tensor2D>,
      },
    });
    optimizer.apply(gradients, {
      learningRate: inputs.learningRate as tf.Scalar,
      step: inputs.update as tf.Scalar,
      accept,
    });
    return ungroup(aux, 'experience/');
  };

  const compiled = compile(step, {
    variables: {
      ...parameters,
      ...group('frozen/', frozen),
      ...group('optimizer/', optimizer.variables),
      ...group('weighting/', weighting.variables ?? {}),
      ...group('log/', log.variables),
    } as Record<string, tf.Variable>,
    verifyReplay: parts.verifyReplay,
  });

  return ({ batch, teachers, update, learningRate }) =>
    tf.tidy(() => {
      const { size, ...tensors } = batchTensors(batch);
      return compiled({
        ...group('batch/', tensors),
        update: tf.scalar(update),
        learningRate: tf.scalar(learningRate),
        ...Object.assign({}, ...teachers.map((teacher, m) => group(`teacher/${m}/`, teacherInputs(teacher)))),
        ...group('noise/', mapValues(weighting.noise?.(size) ?? {}, toTensor)),
      });
    });
}

/** By term of a distillation, [M]: what each teacher's loss is on average, parts of the batch as a whole included. */
function meansByTeacher(
  terms: readonly LossTerm[],
  { perSample, perBatch }: EvaluatedTerms,
): (readonly [string, tf.Tensor])[] {
  return terms.flatMap(({ id, head }, k) => {
    if (!head) return [];
    const parts = perBatch[k].map((scalar) => scalar ?? tf.scalar(0));
    return [[id, perSample[k].mean(0).add(tf.stack(parts))] as const];
  });
}

/** mean_i Σ_m w_im L_im + Σ_m (mean_i w_im) L_m, the second part for losses that exist per batch. */
function weightedMean(perSample: tf.Tensor, perBatch: (tf.Scalar | undefined)[], weights: tf.Tensor2D): tf.Scalar {
  const mean = perSample.mul(weights).sum(1).mean() as tf.Scalar;
  const batchParts = perBatch.flatMap((scalar, m) =>
    scalar ? [scalar.mul(untaped(() => weights.slice([0, m], [-1, 1]).mean()))] : [],
  );
  return batchParts.length > 0 ? (tf.addN([mean, ...batchParts]) as tf.Scalar) : mean;
}

function taskMean(
  { perSample, perBatch }: { perSample: tf.Tensor[]; perBatch: (tf.Scalar | undefined)[][] },
  k: number,
): tf.Scalar {
  const mean = perSample[k].mean() as tf.Scalar;
  const [scalar] = perBatch[k];
  return scalar ? mean.add(scalar) : mean;
}

/** Outputs and taps of a teacher side by side, as tensor arguments. Losses find a tap under its own name. */
function teacherInputs({ taps, ...fields }: NetworkOutput): TensorMap {
  return { ...(fields as TensorMap), ...taps };
}

function group(prefix: string, tensors: Partial<Record<string, tf.Tensor>>): TensorMap {
  return Object.fromEntries(Object.entries(tensors).map(([key, tensor]) => [prefix + key, tensor!]));
}

function ungroup(tensors: TensorMap, prefix: string): TensorMap {
  return Object.fromEntries(
    Object.entries(tensors)
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, tensor]) => [key.slice(prefix.length), tensor]),
  );
}

function mapValues<A, B>(record: Record<string, A>, f: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, f(value)]));
}
