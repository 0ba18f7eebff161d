import { definePart, type DistillationView, InputError, type Reward, z } from '@retort/core';
import * as tf from '@tensorflow/tfjs';

/**
 * How far a small step towards a teacher's prediction lowers the task loss: r_m = ⟨g, h_m⟩, with the task gradient at the logits
 * g = softmax(z_S) − y and that of T²·KL_m, h_m = T (softmax(z_S / T) − softmax(z_m / T)). A step along −h_m changes the
 * cross-entropy by −η r_m, so a positive reward helps.
 *
 * @returns [B, M]
 */
export function gradientAlignmentReward(
  studentLogits: tf.Tensor2D,
  teacherLogits: tf.Tensor2D[],
  label: tf.Tensor1D,
  temperature: number,
): tf.Tensor2D {
  return tf.tidy(() => {
    const taskGradient = tf.softmax(studentLogits).sub(tf.oneHot(label, studentLogits.shape[1]));
    const softened = tf.softmax(studentLogits.div(temperature));
    return tf.stack(
      teacherLogits.map((logits) =>
        softened
          .sub(tf.softmax(logits.div(temperature) as tf.Tensor2D))
          .mul(temperature)
          .mul(taskGradient)
          .sum(1),
      ),
      1,
    ) as tf.Tensor2D;
  });
}

/** Sign-aware gradient agreement; see docs of {@link gradientAlignmentReward}. Related: Du et al. 2018, arXiv 1812.02224. */
export const gradientAlignment = definePart('reward', {
  name: 'gradient-alignment',
  summary: 'How far following a teacher lowers the loss on the label (default).',
  options: z.strictObject({}),
  create:
    (_, { temperature }): Reward =>
    ({ student, teachers, batch }) => {
      const reward = gradientAlignmentReward(
        student.logits!,
        teachers.map(({ logits }) => logits!),
        batch.label!,
        temperature,
      );
      return { logit: reward, feature: reward };
    },
});

/**
 * MTKD-RL, eq. 6: R_m = −CE − α·KL_m − β·D_m, where the losses' own weights are α and β. D_m is divided by the teacher's mean
 * square feature, or the teacher with the smallest features would get a constant bonus.
 *
 * CE is common to all teachers and the weighting centers rewards over teachers, so weight goes to the teacher that the student
 * resembles already: from a cold start that is as often a useless teacher as a good one.
 */
export const eq6 = definePart('reward', {
  name: 'eq6',
  summary: "The MTKD-RL paper's reward (eq. 6): minus the distance between student and teacher.",
  options: z.strictObject({}),
  create: (_, { path }): Reward => {
    return (view) => {
      if (!view.batch.label) throw new InputError(`${path}: eq6 needs labels`);
      const reward = negativeDistance(view);
      return { logit: reward, feature: reward };
    };
  },
});

function negativeDistance({ studentCrossEntropy, logitLoss, featureLoss, teachers }: DistillationView): tf.Tensor2D {
  const featureScale = teachers.map(({ featureMap }) =>
    featureMap ? featureMap.square().mean().add(1e-8) : tf.scalar(1),
  );
  return studentCrossEntropy
    .expandDims(1)
    .add(logitLoss)
    .add(featureLoss.div(tf.stack(featureScale).expandDims(0)))
    .neg() as tf.Tensor2D;
}
