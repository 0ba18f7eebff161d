import { defineLoss, z } from '@retort/core';
import { unitRows, untaped } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { shapeOf } from './shapes.js';

/**
 * Distances between samples and angles between triples of them, alike in both embeddings (Park, Kim, Lu & Cho 2019, "Relational
 * Knowledge Distillation", §3.2). Sizes may differ and nothing is trained.
 *
 * It exists for a batch only: per-sample values are zero, and a teacher counts with the mean of its weights, Σ_m mean_i(w_im) · L_m.
 */
export const relationalDistillation = defineLoss({
  name: 'rkd',
  summary: 'Distances and angles between the samples of a batch, alike in both embeddings. One value per batch.',
  needs: { student: ['embedding'], teacher: ['embedding'] },
  options: z.strictObject({
    distance: z.number().nonnegative().default(25).describe('Weight of the distances between pairs.'),
    angle: z
      .number()
      .nonnegative()
      .default(50)
      .describe('Weight of the angles of triples; B³ numbers for a batch of B. 0 leaves them out.'),
  }),
  create: ({ distance, angle }, context) => {
    shapeOf('rkd', context, 'student', 'embedding', ['D']);
    shapeOf('rkd', context, 'teacher', 'embedding', ['D']);
    return {
      apply: (student, teacher, { size }) => ({
        perSample: tf.zeros<tf.Rank.R1>([size]),
        batch: tf.tidy(() => {
          const [s, t] = [student.embedding!, teacher!.embedding!];
          const ofPairs = distanceRelation(s, t).mul<tf.Scalar>(distance);
          return angle === 0 ? ofPairs : ofPairs.add<tf.Scalar>(angleRelation(s, t).mul(angle));
        }),
      }),
    };
  },
});

/**
 * Mean over all B² pairs of l(ψ_S − ψ_T), with ψ_ij = ‖x_i − x_j‖ / μ, μ the mean distance of pairs i ≠ j, and l Huber's loss: x² / 2
 * up to 1, |x| − 1/2 beyond. The mean counts the B pairs i = j, which are 0, as the published code does.
 *
 * @param student [B, D]; gradients flow here only, also through μ
 * @param teacher [B, D']
 * @returns scalar; 0 for a batch of one
 */
export function distanceRelation(student: tf.Tensor2D, teacher: tf.Tensor2D): tf.Scalar {
  return tf.tidy(() => {
    const relative = (x: tf.Tensor2D) => {
      const squared = differences(x).square().sum(2);
      const apart = untaped(() => squared.greater(1e-16).cast('float32'));
      const distances = squared.maximum(1e-16).sqrt().mul(apart);
      const pairs = x.shape[0] * (x.shape[0] - 1);
      // All samples at one place: all distances are 0, whatever they are divided by.
      return distances.div(distances.sum().div(Math.max(1, pairs)).maximum(1e-8));
    };
    return huber(relative(student).sub(untaped(() => relative(teacher)))).mean() as tf.Scalar;
  });
}

/**
 * Mean over all B³ triples of l(cos ∠_S(ijk) − cos ∠_T(ijk)), the angle at x_j between x_i and x_k, l as in `distanceRelation`. Triples
 * with i = j or k = j, and samples at one place, count as cosine 0.
 *
 * @param student [B, D]; gradients flow here only
 * @param teacher [B, D']
 * @returns scalar; 0 for a batch of one or two
 */
export function angleRelation(student: tf.Tensor2D, teacher: tf.Tensor2D): tf.Scalar {
  return tf.tidy(() => {
    const cosines = (x: tf.Tensor2D) => {
      const directions = unitRows(differences(x));
      return tf.matMul(directions, directions, false, true);
    };
    return huber(cosines(student).sub(untaped(() => cosines(teacher)))).mean() as tf.Scalar;
  });
}

/** [B, B, D]: x_i − x_j at (i, j). */
function differences(x: tf.Tensor2D): tf.Tensor3D {
  return x.expandDims<tf.Tensor3D>(1).sub(x.expandDims(0));
}

/** Elementwise x² / 2 up to |x| = 1, |x| − 1/2 beyond. */
function huber(x: tf.Tensor): tf.Tensor {
  const bounded = x.clipByValue(-1, 1);
  return bounded.mul(x.sub(bounded.div(2)));
}
