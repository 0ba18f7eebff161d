import { defineLoss, z } from '@retort/core';
import { untaped } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { softenedKl } from './knowledge-distillation.js';
import { isLabeled, labelRows } from './labels.js';
import { standardizeLogits, standardizeOption } from './logit-standardization.js';
import { checkSameClasses, plainLabelsOf } from './shapes.js';

/**
 * Knowledge distillation taken apart into the label's class against the rest, and the rest among themselves (Zhao, Cui, Song, Qiu
 * & Liang 2022, "Decoupled Knowledge Distillation", eq. 7): α · TCKD + β · NCKD. 0 for a sample without a label.
 */
export const decoupledDistillation = defineLoss({
  name: 'dkd',
  summary: "KL divergence in two parts, the label's class against the rest and the rest among themselves.",
  needs: { student: ['logits'], teacher: ['logits'] },
  options: z.strictObject({
    temperature: z
      .number()
      .positive()
      .default(4)
      .describe('Softens both distributions. The loss is multiplied by its square, so gradients keep their size.'),
    alpha: z.number().nonnegative().default(1).describe("Weight of the label's class against the rest."),
    beta: z
      .number()
      .nonnegative()
      .default(8)
      .describe('Weight of the other classes among themselves: 8 published for CIFAR-100, 0.5 for ImageNet.'),
    standardize: standardizeOption,
  }),
  create: ({ temperature, alpha, beta, standardize }, context) => {
    checkSameClasses('dkd', context);
    const prepared = standardize ? standardizeLogits : (logits: tf.Tensor2D) => logits;
    return {
      apply: (student, teacher, batch) => {
        const label = plainLabelsOf('dkd', context, batch);
        return {
          perSample: tf.tidy(() => {
            const ofTeacher = untaped(() => prepared(teacher!.logits!));
            const { target, others } = decoupledKl(prepared(student.logits!), ofTeacher, label, temperature);
            return target.mul(alpha).add(others.mul(beta)) as tf.Tensor1D;
          }),
        };
      },
    };
  },
});

/**
 * The two parts of T² · KL(teacher ‖ student), p = softmax(z / T), y the label:
 *
 * target T² · KL of (p(y), 1 − p(y)), the class y against all others (TCKD);
 * others T² · KL of p(c) / (1 − p(y)) over c ≠ y (NCKD).
 *
 * `softenedKl` is target + (1 − p_T(y)) · others (eq. 6). With two classes `others` is 0 and `target` is all of it; with one class
 * both are 0, and so they are where the label is unknown.
 *
 * @param studentLogits [B, C]; gradients flow here only
 * @param teacherLogits [B, C]
 * @param label [B] int32 in [0, C), or −1 where it is unknown
 * @returns [B] each, nats, never negative
 */
export function decoupledKl(
  studentLogits: tf.Tensor2D,
  teacherLogits: tf.Tensor2D,
  label: tf.Tensor1D,
  temperature: number,
): { target: tf.Tensor1D; others: tf.Tensor1D } {
  return tf.tidy(() => {
    const isLabel = labelRows(label, studentLogits.shape[1]);
    const removed = untaped(() => isLabel.mul<tf.Tensor2D>(-1e9));
    const known = isLabeled(label);
    const others = (logits: tf.Tensor2D) => logits.add<tf.Tensor2D>(removed);
    // Logits of two classes: the label, and all others together. Through log-softmax, so that 1 − p is never rounded to 0.
    const pair = (logits: tf.Tensor2D) =>
      tf.stack(
        [logits.mul(isLabel).sum(1).div(temperature), tf.logSumExp(others(logits).div(temperature), 1)],
        1,
      ) as tf.Tensor2D;
    const [teacherPair, teacherOthers] = untaped(() => [pair(teacherLogits), others(teacherLogits)]);
    return {
      target: softenedKl(pair(studentLogits), teacherPair, 1).mul<tf.Tensor1D>(known.mul(temperature ** 2)),
      others: softenedKl(others(studentLogits), teacherOthers, temperature).mul(known),
    };
  });
}
