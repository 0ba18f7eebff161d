import { defineLoss, z } from '@retort/core';
import { untaped } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { checkSameActions } from './shapes.js';

/** Squared distance of actions in a box. */
export const policyMean = defineLoss({
  name: 'policy-mean',
  summary: "Squared distance of the student's action in a box from the teacher's, in half ranges.",
  needs: { student: ['mean'], teacher: ['mean'] },
  options: z.strictObject({}),
  create: (_, context) => {
    checkSameActions('policy-mean', context, 'mean');
    return { apply: (student, teacher) => ({ perSample: actionDistance(student.mean!, teacher!.mean!) }) };
  },
});

/**
 * Mean over components of (tanh m_S − tanh m_T)². Times n / 2σ² this is the KL divergence of Gaussians of equal deviation σ (half
 * ranges) around the two actions: the same loss with another weight.
 *
 * @param studentMean [B, n]; gradients flow here only
 * @param teacherMean [B, n]
 * @returns [B] in [0, 4]
 */
export function actionDistance(studentMean: tf.Tensor2D, teacherMean: tf.Tensor2D): tf.Tensor1D {
  return tf.tidy(
    () =>
      tf
        .tanh(studentMean)
        .sub(untaped(() => tf.tanh(teacherMean)))
        .square()
        .mean(1) as tf.Tensor1D,
  );
}
