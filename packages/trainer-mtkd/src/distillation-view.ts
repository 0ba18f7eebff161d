import type { BatchTensors, DistillationView, Head, LossTerm, NetworkOutput, OutputShapes } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { labelProbabilities, type Labels } from './label-probabilities.js';

/** All terms of one batch before they are weighted, and what weightings look at. */
export interface EvaluatedTerms {
  /** Per term of the manifest: [B] of a task loss, [B, M] of a distillation loss. */
  perSample: tf.Tensor[];
  /** Parts that exist for a batch only, per term and teacher. */
  perBatch: (tf.Scalar | undefined)[][];
  view: DistillationView;
}

/** Runs the losses of a batch. On the tape of whoever calls; `view` is for use off it. */
export function evaluateTerms(
  terms: readonly LossTerm[],
  student: NetworkOutput,
  teachers: NetworkOutput[],
  batch: BatchTensors,
  mode: { training: boolean },
): EvaluatedTerms {
  const adapted: (tf.Tensor4D | undefined)[] = [];
  const perBatch: (tf.Scalar | undefined)[][] = [];
  const perSample = terms.map(({ losses, head }) => {
    const values = losses.map(({ loss, student: studentView, teacher: teacherView }, m) => {
      const value = loss.apply(studentView(student), head && teacherView(teachers[m]), batch, mode);
      if (head) adapted[m] ??= value.adapted;
      return value;
    });
    perBatch.push(values.map(({ batch: scalar }) => scalar));
    return head
      ? tf.stack(
          values.map((value) => value.perSample),
          1,
        )
      : values[0].perSample;
  });
  const weighted = (wanted: Head): tf.Tensor2D => {
    const members = terms.flatMap(({ head, weight }, k) => (head === wanted ? [perSample[k].mul(weight)] : []));
    return (members.length > 0 ? tf.addN(members) : tf.zeros([batch.size, teachers.length])) as tf.Tensor2D;
  };
  const pooled = teachers.map((_, m) => adapted[m]?.mean<tf.Tensor2D>([1, 2]));
  const view = {
    batch,
    student,
    teachers,
    studentCrossEntropy: crossEntropy(student.logits!, batch),
    teacherCrossEntropy: tf.stack(
      teachers.length > 0 ? teachers.map(({ logits }) => crossEntropy(logits!, batch)) : [tf.zeros([batch.size])],
      1,
    ) as tf.Tensor2D,
    logitLoss: weighted('logit'),
    featureLoss: weighted('feature'),
    similarity: similarity(pooled, teachers),
    adapted: pooled,
  };
  return { perSample, perBatch, view };
}

/**
 * Per head [B, M]: the sum of the losses weighted by it, each times its weight; zeros when there is none. A part that exists for
 * the batch only is added to every sample, for Σ_m mean_i w_im (ℓ_im + L_m) is what a step descends.
 */
export function lossesByHead(
  terms: readonly LossTerm[],
  { perSample, perBatch }: Pick<EvaluatedTerms, 'perSample' | 'perBatch'>,
  teacherCount: number,
): Record<Head, tf.Tensor2D> {
  const sum = (wanted: Head): tf.Tensor2D => {
    const members = terms.flatMap(({ head, weight }, k) => {
      if (head !== wanted) return [];
      const hasParts = perBatch[k].some((scalar) => scalar !== undefined);
      const whole = hasParts
        ? perSample[k].add(tf.stack(perBatch[k].map((part) => part ?? tf.scalar(0))))
        : perSample[k];
      return [whole.mul(weight)];
    });
    return (members.length > 0 ? tf.addN(members) : tf.zeros([perSample[0].shape[0]!, teacherCount])) as tf.Tensor2D;
  };
  return { logit: sum('logit'), feature: sum('feature') };
}

/** [B] −Σ_c q(c) · log softmax(z)(c), where q is one-hot but for mixed images. */
export function crossEntropy(logits: tf.Tensor2D, labels: Labels): tf.Tensor1D {
  return tf.logSoftmax(logits).mul(labelProbabilities(labels, logits.shape[1])).sum(1).neg() as tf.Tensor1D;
}

/** Per teacher, the width of the student's adapted features: those of its first loss that has an adapter. */
export function adaptedSizes(terms: readonly LossTerm[], teacherCount: number): (number | undefined)[] {
  return Array.from(
    { length: teacherCount },
    (_, m) => terms.find(({ losses, head }) => head && losses[m].loss.adaptedShape)?.losses[m].loss.adaptedShape?.[2],
  );
}

/** Whether {@link similarity} will be there: each teacher has an adapter into its space and an embedding of that width. */
export function hasSimilarity(sizes: (number | undefined)[], teachers: { provides: OutputShapes }[]): boolean {
  return teachers.length > 0 && teachers.every(({ provides }, m) => sizes[m] === (provides.embedding?.[0] ?? -1));
}

/** [B, M] cosine of the pooled, adapted student map and the teacher's embedding (MTKD-RL eq. 3, as in its code). */
function similarity(adapted: (tf.Tensor2D | undefined)[], teachers: NetworkOutput[]): tf.Tensor2D | undefined {
  if (teachers.length === 0) return undefined;
  const columns = teachers.map(({ embedding }, m) => {
    const pooled = adapted[m];
    if (!pooled || !embedding || pooled.shape[1] !== embedding.shape[1]) return undefined;
    const product = pooled.mul(embedding).sum(1);
    return product.div(pooled.norm('euclidean', 1).mul(embedding.norm('euclidean', 1)).maximum(1e-8));
  });
  return columns.every((column) => column !== undefined) ? (tf.stack(columns, 1) as tf.Tensor2D) : undefined;
}
