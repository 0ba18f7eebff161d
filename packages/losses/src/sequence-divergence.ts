import { defineLoss, type Part, z } from '@retort/core';
import { untaped } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { answerTokensOf, beforeNext, checkSameTokens, meanOfAnswer } from './sequence-positions.js';

const temperature = z
  .number()
  .positive()
  .default(1)
  .describe('Softens both distributions. The loss is multiplied by its square, so gradients keep their size.');

/** [B, N, V] of log-probabilities of teacher p and student q → [B, N], nats. */
type Divergence = (logTeacher: tf.Tensor3D, logStudent: tf.Tensor3D) => tf.Tensor2D;

/** KL(p ‖ q): the student covers all that the teacher would say (Kim & Rush 2016, §3.1, word-level). */
export const sequenceForwardKl = divergenceLoss(
  'sequence-forward-kl',
  'KL divergence from teacher to student at each token of the answer.',
  z.strictObject({ temperature }),
  () => forwardKl,
);

/** KL(q ‖ p): the student keeps to what the teacher would say (Gu et al. 2024). */
export const sequenceReverseKl = divergenceLoss(
  'sequence-reverse-kl',
  'KL divergence from student to teacher at each token of the answer.',
  z.strictObject({ temperature }),
  () => reverseKl,
);

/** {@link generalizedJsd} (Agarwal et al. 2024, eq. 1). */
export const sequenceJsd = divergenceLoss(
  'sequence-jsd',
  'Generalized Jensen-Shannon divergence of teacher and student at each token of the answer.',
  z.strictObject({
    beta: z
      .number()
      .gt(0)
      .lt(1)
      .default(0.5)
      .describe(
        "The teacher's share of the mixture. Near 0 gradients are β times those of the forward KL, near 1 (1 − β) times the reverse one's.",
      ),
    temperature,
  }),
  ({ beta }) => generalizedJsd(beta),
);

/** A loss over the tokens of the answer, of a divergence of two distributions. */
function divergenceLoss<O extends z.ZodObject>(
  name: string,
  summary: string,
  options: O,
  divergenceOf: (options: z.output<O>) => Divergence,
): Part<'loss'> {
  return defineLoss({
    name,
    summary,
    options,
    needs: { student: ['tokenLogits'], teacher: ['tokenLogits'] },
    create: (given, context) => {
      checkSameTokens(name, context);
      const divergence = divergenceOf(given);
      const { temperature } = given as { temperature: number };
      const logOf = (tokenLogits: tf.Tensor3D) => tf.logSoftmax(beforeNext(tokenLogits).div<tf.Tensor3D>(temperature));
      return {
        apply: (student, teacher, batch) => ({
          perSample: tf.tidy(() => {
            const { mask } = answerTokensOf(name, context, batch);
            const logTeacher = untaped(() => logOf(teacher!.tokenLogits!));
            const perToken = divergence(logTeacher, logOf(student.tokenLogits!));
            return meanOfAnswer(perToken.mul(temperature ** 2), mask);
          }),
        }),
      };
    },
  });
}

/** Σ_v p(v) (log p(v) − log q(v)), [B, N]. */
export const forwardKl: Divergence = (logTeacher, logStudent) =>
  tf.tidy(() => logTeacher.exp().mul(logTeacher.sub(logStudent)).sum(2));

/** Σ_v q(v) (log q(v) − log p(v)), [B, N]. */
export const reverseKl: Divergence = (logTeacher, logStudent) =>
  tf.tidy(() => logStudent.exp().mul(logStudent.sub(logTeacher)).sum(2));

/** β KL(p ‖ m) + (1 − β) KL(q ‖ m), m = β p + (1 − β) q, β in (0, 1); [B, N], at most the entropy of β. */
export function generalizedJsd(beta: number): Divergence {
  return (logTeacher, logStudent) =>
    tf.tidy(() => {
      // log (a + b) = log max + softplus(−|log a − log b|): small probabilities are not added, nor large logarithms taken away.
      const [ofP, ofQ] = [logTeacher.add(Math.log(beta)), logStudent.add(Math.log(1 - beta))];
      const logMixture = ofP.maximum(ofQ).add(tf.softplus(ofP.sub(ofQ).abs().neg()));
      const ofTeacher = logTeacher.exp().mul(logTeacher.sub(logMixture)).sum(2);
      const ofStudent = logStudent.exp().mul(logStudent.sub(logMixture)).sum(2);
      return ofTeacher.mul(beta).add(ofStudent.mul(1 - beta));
    });
}
