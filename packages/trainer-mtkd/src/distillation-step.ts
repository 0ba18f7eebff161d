import type { Batch, LossTerm, StepInputs, Student, Weighting } from '@retort/core';
import {
  batchArguments,
  batchFrom,
  batchTensors,
  type BoundOptimizer,
  compile,
  forward,
  gradientsWithAux,
  group,
  mapValues,
  type StepLog,
  type TensorMap,
  toTensor,
  ungroup,
  untaped,
} from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { type EvaluatedTerms, evaluateTerms } from './distillation-view.js';
import { isKnown } from './label-probabilities.js';
import { type HeldOut, measureLookAhead } from './look-ahead.js';
import type { StudentAverage } from './student-average.js';
import type { WeightLog, WeightsOfBatch } from './weight-log.js';

/** All that a step works on. */
export interface StepParts {
  student: Student;
  terms: readonly LossTerm[];
  weighting: Weighting;
  optimizer: BoundOptimizer;
  parameters: Record<string, tf.Variable>;
  /** Moving averages and whatever else a forward pass may assign. */
  frozen: Record<string, tf.Variable>;
  teacherCount: number;
  log: StepLog;
  weightLog: WeightLog;
  /** Follows the student, where the run has one. */
  average?: StudentAverage;
  verifyReplay: number;
}

/** What one training step is given, before it becomes tensors. */
export interface TrainingStepInputs extends StepInputs {
  /** Reserved samples, for runs with a part that looks ahead. */
  heldOut?: Batch;
}

/**
 * One training step as a function of tensors: student forward, losses [B, M], weights, one scalar, gradients, update. Nothing is
 * read back; log values pile up in variables.
 *
 * @returns a function that runs a step and hands out what the weighting is to remember; the caller disposes it
 */
export function createStep(parts: StepParts): (inputs: TrainingStepInputs) => TensorMap {
  const { student, terms, weighting, optimizer, parameters, teacherCount, log, weightLog, average } = parts;

  const step = (inputs: TensorMap): TensorMap => {
    const { batch, teachers } = batchFrom(inputs, teacherCount);
    const noise = ungroup(inputs, 'noise/');
    const studentNoise = ungroup(inputs, 'student-noise/');
    const { image, label } = ungroup(inputs, 'held-out/') as Partial<HeldOut>;
    const lookAhead =
      image && label
        ? measureLookAhead(parts, { ...batch, noise: studentNoise }, teachers, {
            image,
            label,
            noise: ungroup(inputs, 'held-out-noise/'),
          })
        : undefined;
    const { gradients, aux } = gradientsWithAux(() => {
      const output = forward(student, batch, { training: true, noise: studentNoise });
      const evaluated = evaluateTerms(terms, output, teachers, batch, { training: true });
      const view = lookAhead ? { ...evaluated.view, lookAhead } : evaluated.view;
      const { fused, generator, experience } = untaped(() => weighting.weigh(view, noise));
      const values = terms.map(({ head }, k) =>
        head ? weightedMean(evaluated.perSample[k], evaluated.perBatch[k], fused[head]!) : taskMean(evaluated, k),
      );
      const { correct, labeled } = untaped(() => ({
        correct: output.logits!.argMax(1).equal(batch.label!).sum().cast('float32'),
        labeled: isKnown(batch.label!).sum(),
      }));
      return {
        value: tf.addN(terms.map(({ weight }, k) => values[k].mul(weight))) as tf.Scalar,
        aux: {
          values: tf.stack(values),
          ...group('byTeacher/', Object.fromEntries(untaped(() => meansByTeacher(terms, evaluated)))),
          correct,
          labeled,
          ...group('fused/', fused),
          ...group('generator/', generator ?? {}),
          ...group('experience/', experience ?? {}),
        } as TensorMap,
      };
    }, parameters);
    const values = aux.values as tf.Tensor1D;
    const accept = log.record({
      watched: tf.concat([...(Object.values(ungroup(aux, 'byTeacher/')) as tf.Tensor1D[]), values]),
      gradients,
      update: inputs.update as tf.Scalar,
      values: {
        ...Object.fromEntries(tf.unstack(values).map((value, k) => [`loss/${terms[k].id}`, value as tf.Scalar])),
        ...weightLog.record(batch, {
          fused: ungroup(aux, 'fused/') as WeightsOfBatch['fused'],
          generator: ungroup(aux, 'generator/') as WeightsOfBatch['generator'],
        }),
        'train-accuracy': { sum: aux.correct as tf.Scalar, count: aux.labeled as tf.Scalar },
      },
    });
    optimizer.apply(gradients, {
      learningRate: inputs.learningRate as tf.Scalar,
      step: inputs.update as tf.Scalar,
      accept,
    });
    average?.update(inputs.update as tf.Scalar, accept);
    return ungroup(aux, 'experience/');
  };

  const compiled = compile(step, {
    variables: {
      ...changedByStep(parts),
      ...group('weighting/', weighting.variables ?? {}),
      ...group('average/', average?.variables ?? {}),
    },
    verifyReplay: parts.verifyReplay,
  });

  return ({ batch, teachers, update, learningRate, heldOut }) =>
    tf.tidy(() => {
      const tensors = batchTensors(batch);
      return compiled({
        ...batchArguments(tensors, teachers),
        update: tf.scalar(update),
        learningRate: tf.scalar(learningRate),
        ...group('noise/', mapValues(weighting.noise?.(tensors.size) ?? {}, toTensor)),
        ...group('student-noise/', mapValues(student.noise?.(tensors.size, update) ?? {}, toTensor)),
        ...(heldOut && {
          'held-out/image': toTensor(heldOut.inputs.image!),
          'held-out/label': toTensor(heldOut.targets.label!),
          ...group('held-out-noise/', mapValues(student.noise?.(heldOut.size, update) ?? {}, toTensor)),
        }),
      });
    });
}

/** What a step changes of its own, by key: parameters, moving averages, optimizer slots, log. */
export function changedByStep({
  parameters,
  frozen,
  optimizer,
  log,
  weightLog,
}: Pick<StepParts, 'parameters' | 'frozen' | 'optimizer' | 'log' | 'weightLog'>): Record<string, tf.Variable> {
  return {
    ...parameters,
    ...group('frozen/', frozen),
    ...group('optimizer/', optimizer.variables),
    ...group('log/', log.variables),
    ...group('weights/', weightLog.variables),
  };
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
