import { defineLoss, z } from '@retort/core';
import { resizeFeatureMap, unitRows, untaped } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { shapeOf } from './shapes.js';

/**
 * Where student and teacher look: squared difference of their normalized activation maps (Zagoruyko & Komodakis 2017, "Paying More
 * Attention to Attention", eq. 2, with p = 2). Nothing to train; channels may differ, and the larger map is average-pooled.
 */
export const attentionTransfer = defineLoss({
  name: 'attention-transfer',
  summary: 'Squared difference of where student and teacher are active, channels summed. No adapter.',
  needs: { student: ['featureMap'], teacher: ['featureMap'] },
  options: z.strictObject({}),
  create: (_options, context) => {
    shapeOf('attention-transfer', context, 'student', 'featureMap', ['H', 'W', 'K']);
    shapeOf('attention-transfer', context, 'teacher', 'featureMap', ['H', 'W', 'K']);
    return {
      apply: (student, teacher) => ({ perSample: attentionDistance(student.featureMap!, teacher!.featureMap!) }),
    };
  },
});

/**
 * Mean over positions of (Q_S / ‖Q_S‖ − Q_T / ‖Q_T‖)², with Q(h, w) = Σ_k F(h, w, k)². As in the authors' code; the equation has the
 * norm itself, whose derivative does not exist where the maps agree. Their weight for this form is 1000.
 *
 * @param student [B, h, w, k]; gradients flow here only
 * @param teacher [B, H, W, K]
 * @returns [B] in [0, 2 / positions]; a map of zeros is compared as zeros, and gets no gradient
 */
export function attentionDistance(student: tf.Tensor4D, teacher: tf.Tensor4D): tf.Tensor1D {
  return tf.tidy(() => {
    const [height, width] = [1, 2].map((axis) => Math.min(student.shape[axis], teacher.shape[axis]));
    const attention = (map: tf.Tensor4D) =>
      unitRows(
        resizeFeatureMap(map, height, width)
          .square()
          .sum(3)
          .reshape<tf.Tensor2D>([map.shape[0], height * width]),
        1e-12,
      );
    return attention(student)
      .sub(untaped(() => attention(teacher)))
      .square()
      .mean(1) as tf.Tensor1D;
  });
}
