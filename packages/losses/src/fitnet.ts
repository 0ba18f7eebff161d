import { defineLoss, z } from '@retort/core';
import { untaped } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { adaptedFeatureLoss } from './adapted-feature-loss.js';

/** Mean squared difference of feature maps through an adapter (Romero et al. 2015, eq. 3). */
export const fitnet = defineLoss({
  name: 'fitnet',
  summary: "Mean squared difference of feature maps, the student's through a trained adapter.",
  needs: { student: ['featureMap'], teacher: ['featureMap'] },
  options: z.strictObject({
    normalize: z
      .boolean()
      .default(false)
      .describe(
        "Divide by the teacher's mean square feature over the batch, so that teachers with small features do not look " +
          'closer than others. Off: the published loss.',
      ),
  }),
  create: ({ normalize }, context) =>
    adaptedFeatureLoss('fitnet', context, (student, teacher) => meanSquareDifference(student, teacher, normalize)),
});

/**
 * Mean over (H, W, K) of (F_S − F_T)², divided, where `normalize` is set, by the mean of F_T² over (B, H, W, K).
 *
 * @param student [B, H, W, K]; gradients flow here only
 * @param teacher [B, H, W, K]
 * @returns [B]
 */
export function meanSquareDifference(student: tf.Tensor4D, teacher: tf.Tensor4D, normalize = false): tf.Tensor1D {
  return tf.tidy(() => {
    const difference = student.sub(teacher).square().mean<tf.Tensor1D>([1, 2, 3]);
    // A dead map (all zeros) gives a large, finite loss.
    return normalize ? difference.div(untaped(() => teacher.square().mean().add(1e-8))) : difference;
  });
}
