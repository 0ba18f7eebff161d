import { defineLoss, z } from '@retort/core';
import { untaped } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { checkSameActions } from './shapes.js';

/** Negative log-likelihood of the teacher's best action (Rusu et al. 2015, "Policy Distillation", eq. 1). */
export const policyNll = defineLoss({
  name: 'policy-nll',
  summary: "Negative log-likelihood of the teacher's best action.",
  needs: { student: ['logits'], teacher: ['logits'] },
  options: z.strictObject({}),
  create: (_, context) => {
    checkSameActions('policy-nll', context, 'logits');
    return {
      apply: (student, teacher) => ({ perSample: bestActionNll(student.logits!, teacher!.logits!) }),
    };
  },
});

/**
 * −log softmax(z_S)(a), a = argmax z_T.
 *
 * @param studentLogits [B, n]; gradients flow here only
 * @param teacherLogits [B, n] preferences or action values: only their order counts
 * @returns [B], nats
 */
export function bestActionNll(studentLogits: tf.Tensor2D, teacherLogits: tf.Tensor2D): tf.Tensor1D {
  return tf.tidy(() => {
    const best = untaped(() => tf.oneHot(tf.argMax<tf.Tensor1D>(teacherLogits, 1), teacherLogits.shape[1], 1, 0));
    return tf.logSoftmax(studentLogits).mul(best.cast('float32')).sum(1).neg() as tf.Tensor1D;
  });
}
