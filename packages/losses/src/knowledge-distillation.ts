import { defineLoss, z } from '@retort/core';
import { untaped } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { standardizeLogits, standardizeOption } from './logit-standardization.js';
import { checkSameClasses } from './shapes.js';

/** KL divergence from teacher to student at a raised temperature (Hinton, Vinyals & Dean 2015, §2). */
export const knowledgeDistillation = defineLoss({
  name: 'kd',
  summary: 'KL divergence from teacher to student at a raised temperature.',
  needs: { student: ['logits'], teacher: ['logits'] },
  options: z.strictObject({
    temperature: z
      .number()
      .positive()
      .default(4)
      .describe('Softens both distributions. The loss is multiplied by its square, so gradients keep their size.'),
    standardize: standardizeOption,
  }),
  create: ({ temperature, standardize }, context) => {
    checkSameClasses('kd', context);
    const prepared = standardize ? standardizeLogits : (logits: tf.Tensor2D) => logits;
    return {
      apply: (student, teacher) => ({
        perSample: tf.tidy(() =>
          softenedKl(
            prepared(student.logits!),
            untaped(() => prepared(teacher!.logits!)),
            temperature,
          ),
        ),
      }),
    };
  },
});

/**
 * T² · Σ_c p_T(c) · (log p_T(c) − log p_S(c)), with p = softmax(z / T).
 *
 * @param studentLogits [B, C]; gradients flow here only
 * @param teacherLogits [B, C]
 * @param temperature T > 0
 * @returns [B], nats, never negative; 0 where the two agree up to a constant
 */
export function softenedKl(studentLogits: tf.Tensor2D, teacherLogits: tf.Tensor2D, temperature: number): tf.Tensor1D {
  return tf.tidy(() => {
    const logStudent = tf.logSoftmax(studentLogits.div<tf.Tensor2D>(temperature));
    const [logTeacher, teacher] = untaped(() => {
      const log = tf.logSoftmax(teacherLogits.div<tf.Tensor2D>(temperature));
      return [log, log.exp()];
    });
    // log-softmax on both sides: a teacher probability that underflows gives 0, not 0 · −∞
    return teacher
      .mul(logTeacher.sub(logStudent))
      .sum(1)
      .mul(temperature ** 2) as tf.Tensor1D;
  });
}
