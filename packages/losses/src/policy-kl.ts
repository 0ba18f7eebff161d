import { defineLoss, z } from '@retort/core';
import { untaped } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { checkSameActions } from './shapes.js';

/** KL divergence from the teacher's policy, sharpened or softened, to the student's (Rusu et al. 2015, "Policy Distillation", eq. 3). */
export const policyKl = defineLoss({
  name: 'policy-kl',
  summary: "KL divergence from the teacher's policy to the student's.",
  needs: { student: ['logits'], teacher: ['logits'] },
  options: z.strictObject({
    temperature: z
      .number()
      .positive()
      .default(1)
      .describe(
        "Divides the teacher's logits only: 1 for a policy's, 0.01 for action values of DQN (Rusu et al. 2015).",
      ),
    studentTemperature: z
      .number()
      .positive()
      .default(1)
      .describe("Divides the student's logits; equal to `temperature` both are softened alike."),
  }),
  create: ({ temperature, studentTemperature }, context) => {
    checkSameActions('policy-kl', context, 'logits');
    return {
      apply: (student, teacher) => ({
        perSample: policyDivergence(student.logits!, teacher!.logits!, { temperature, studentTemperature }),
      }),
    };
  },
});

/**
 * Σ_a p(a) (log p(a) − log q(a)), p = softmax(z_T / τ), q = softmax(z_S / τ_S). Not multiplied by a temperature's square, unlike `kd`.
 *
 * @param studentLogits [B, n]; gradients flow here only
 * @param teacherLogits [B, n] preferences or action values
 * @returns [B], nats, not negative
 */
export function policyDivergence(
  studentLogits: tf.Tensor2D,
  teacherLogits: tf.Tensor2D,
  { temperature, studentTemperature = 1 }: { temperature: number; studentTemperature?: number },
): tf.Tensor1D {
  return tf.tidy(() => {
    const logStudent = tf.logSoftmax(studentLogits.div<tf.Tensor2D>(studentTemperature));
    const [logTeacher, teacher] = untaped(() => {
      const log = tf.logSoftmax(teacherLogits.div<tf.Tensor2D>(temperature));
      return [log, log.exp()];
    });
    // log-softmax on both sides: a teacher probability that underflows gives 0, not 0 · −∞
    return teacher.mul(logTeacher.sub(logStudent)).sum(1) as tf.Tensor1D;
  });
}
