import { defineLoss, z } from '@retort/core';
import { untaped } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { center } from './center.js';
import { checkSameClasses } from './shapes.js';

/**
 * One minus Pearson's correlation of student and teacher probabilities, over classes and over the batch (Huang, You, Wang, Qian &
 * Xu 2022, "Knowledge Distillation from A Stronger Teacher", eq. 10).
 *
 * The part over classes exists per sample and is weighted per sample; the part over the batch exists once and counts with the
 * mean of the teacher's weights: Σ_m mean_i(w_im · inter_im) + Σ_m mean_i(w_im) · intra_m.
 */
export const dist = defineLoss({
  name: 'dist',
  summary: 'Correlation of student and teacher probabilities, within a sample and within a class over the batch.',
  needs: { student: ['logits'], teacher: ['logits'] },
  options: z.strictObject({
    beta: z.number().nonnegative().default(1).describe('Weight of the correlation over classes, one per sample.'),
    gamma: z.number().nonnegative().default(1).describe('Weight of the correlation over the batch, one per class.'),
    // Not called temperature: that is what rewards in closed form take for the one of kd.
    tau: z
      .number()
      .positive()
      .default(1)
      .describe(
        'Divides the logits before the softmax. 1 is published for ImageNet, 4 for CIFAR; with few classes raise it, as the ' +
          'correlation over classes says little then.',
      ),
    squareTau: z
      .boolean()
      .default(true)
      .describe(
        'Multiply by tau², as the published code does and its weights expect; the paper does not. A correlation keeps the size ' +
          'of its gradient without.',
      ),
  }),
  create: ({ beta, gamma, tau, squareTau }, context) => {
    checkSameClasses('dist', context);
    const factor = squareTau ? tau ** 2 : 1;
    return {
      apply: (student, teacher) =>
        tf.tidy(() => {
          const [s, t] = [student.logits!, teacher!.logits!];
          return {
            perSample: interClassDistance(s, t, tau).mul<tf.Tensor1D>(factor * beta),
            batch: intraClassDistance(s, t, tau).mul<tf.Scalar>(factor * gamma),
          };
        }),
    };
  },
});

/**
 * 1 − ρ(p_S,i·, p_T,i·) with p = softmax(z / τ) and ρ Pearson's correlation over classes (Huang et al. 2022, eq. 8).
 *
 * @param studentLogits [B, C]; gradients flow here only
 * @param teacherLogits [B, C]
 * @returns [B] in [0, 2]; 1, without gradient, where either side gives all classes the same probability
 */
export function interClassDistance(studentLogits: tf.Tensor2D, teacherLogits: tf.Tensor2D, tau = 1): tf.Tensor1D {
  return correlationDistance(studentLogits, teacherLogits, tau, 1);
}

/**
 * Mean over classes of 1 − ρ(p_S,·c, p_T,·c), the correlation over the batch (Huang et al. 2022, eq. 9).
 *
 * @param studentLogits [B, C]; gradients flow here only
 * @param teacherLogits [B, C]
 * @returns scalar in [0, 2]; 1, without gradient, for a batch of one
 */
export function intraClassDistance(studentLogits: tf.Tensor2D, teacherLogits: tf.Tensor2D, tau = 1): tf.Scalar {
  return tf.tidy(() => correlationDistance(studentLogits, teacherLogits, tau, 0).mean() as tf.Scalar);
}

function correlationDistance(student: tf.Tensor2D, teacher: tf.Tensor2D, tau: number, axis: 0 | 1): tf.Tensor1D {
  return tf.tidy(() => {
    const centered = (logits: tf.Tensor2D) => center(tf.softmax(logits.div<tf.Tensor2D>(tau)), axis);
    // The floor keeps the square root's derivative finite at zero.
    const length = (x: tf.Tensor2D) => x.square().sum(axis).maximum(1e-30).sqrt();
    const a = centered(student);
    const [b, lengthOfB] = untaped(() => {
      const x = centered(teacher);
      return [x, length(x)];
    });
    const correlation = a.mul(b).sum(axis).div(length(a).mul(lengthOfB).add(1e-8));
    return tf.sub(1, correlation) as tf.Tensor1D;
  });
}
