import { defineLoss, z } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { adaptedFeatureLoss } from './adapted-feature-loss.js';
import { softenedKl } from './knowledge-distillation.js';

/**
 * Where each channel is active, as a distribution over positions: KL divergence from teacher to student through the adapter of
 * `fitnet`. The feature loss that MTKD-RL's published code offers beside the mean square (Shu et al. 2021, "Channel-wise Knowledge
 * Distillation for Dense Prediction").
 */
export const spatialKl = defineLoss({
  name: 'spatial-kl',
  summary: "KL divergence over the positions of each channel, the student's map through a trained adapter.",
  needs: { student: ['featureMap'], teacher: ['featureMap'] },
  options: z.strictObject({
    // Not called temperature: that is what rewards in closed form take for the one of kd.
    tau: z
      .number()
      .positive()
      .default(4)
      .describe('Divides the features before the softmax over positions. The loss is multiplied by its square.'),
  }),
  create: ({ tau }, context) =>
    adaptedFeatureLoss('spatial-kl', context, (student, teacher) => spatialDivergence(student, teacher, tau)),
});

/**
 * τ² · mean_k Σ_hw p_T (log p_T − log p_S), with p = softmax over (h, w) of F(·, ·, k) / τ.
 *
 * @param student [B, H, W, K]; gradients flow here only
 * @param teacher [B, H, W, K]
 * @returns [B], nats, never negative; 0 for maps of one position
 */
export function spatialDivergence(student: tf.Tensor4D, teacher: tf.Tensor4D, tau: number): tf.Tensor1D {
  return tf.tidy(() => {
    const [batch, height, width, channels] = student.shape;
    const rows = (map: tf.Tensor4D) =>
      map.transpose([0, 3, 1, 2]).reshape<tf.Tensor2D>([batch * channels, height * width]);
    return softenedKl(rows(student), rows(teacher), tau).reshape([batch, channels]).mean(1) as tf.Tensor1D;
  });
}
