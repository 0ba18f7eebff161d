import { definePart, InputError, type Weighting, type WeightingContext, z } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { cappedMinNorm } from './capped-min-norm.js';
import { sameForHeads } from './teacher-weights.js';

const options = z.strictObject({
  tolerance: z
    .number()
    .positive()
    .max(1)
    .default(0.6)
    .describe(
      "C of the paper: the most one teacher can weigh. 1 lets the teachers' common direction decide alone (MGDA), 1/M is equal weights.",
    ),
  normalizeGradients: z
    .boolean()
    .default(false)
    .describe(
      'Compare directions only: gradients are made unit vectors, and weights divided by their lengths afterwards.',
    ),
});

/**
 * AE-KD: weights of a batch under which the teachers agree on a direction (Du et al. 2020, "Agree to Disagree: Adaptive Ensemble
 * Knowledge Distillation in Gradient Space"). One vector of weights for all samples of a batch; feature losses share it.
 *
 * The gradients at the student's logits are in closed form; the public code runs a backward pass per teacher for them.
 */
export const aekd = definePart('weighting', {
  name: 'aekd',
  summary: "Weights per batch under which the teachers' gradients agree (AE-KD).",
  options,
  needs: { student: ['logits'], teacher: ['logits'] },
  create: createAekd,
});

function createAekd(
  { tolerance, normalizeGradients }: z.output<typeof options>,
  { teachers: { length: count }, heads, temperature, path }: WeightingContext,
): Weighting {
  if (count > 8) throw new InputError(`${path}: aekd solves for at most 8 teachers, not ${count}`);
  const solve = cappedMinNorm(count, tolerance);
  return {
    weigh: ({ student, teachers, batch: { size } }) => {
      const gradients = distillationGradients(
        student.logits!,
        teachers.map(({ logits }) => logits!),
        temperature,
      );
      const lengths = gradients.norm('euclidean', 1, true).maximum(1e-12);
      const compared = (normalizeGradients ? gradients.div(lengths) : gradients) as tf.Tensor2D;
      let weights = solve(tf.matMul(compared, compared, false, true));
      if (normalizeGradients) {
        const rescaled = weights.div(lengths.reshape([count]));
        weights = rescaled.div(rescaled.sum());
      }
      return { fused: sameForHeads(heads, tf.tile(weights.reshape([1, count]) as tf.Tensor2D, [size, 1])) };
    },
  };
}

/**
 * Mean over the batch of the gradient of T²·KL_m at the student's logits: mean_i T (softmax(z_S,i / T) − softmax(z_m,i / T)).
 *
 * @returns [M, C]
 */
export function distillationGradients(
  studentLogits: tf.Tensor2D,
  teacherLogits: tf.Tensor2D[],
  temperature: number,
): tf.Tensor2D {
  return tf.tidy(() => {
    const softened = (logits: tf.Tensor2D) => tf.softmax(logits.div<tf.Tensor2D>(temperature));
    const student = softened(studentLogits);
    return tf.stack(
      teacherLogits.map((logits) => student.sub(softened(logits)).mean(0).mul(temperature)),
    ) as tf.Tensor2D;
  });
}
