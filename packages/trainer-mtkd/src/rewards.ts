import { definePart, type DistillationView, InputError, type Reward, z } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { knownShare, labelProbabilities, type Labels } from './label-probabilities.js';

/**
 * How far a small step towards a teacher's prediction lowers the task loss: r_m = ⟨g, h_m⟩, with the task gradient at the logits
 * g = softmax(z_S) − y and that of T²·KL_m, h_m = T (softmax(z_S / T) − softmax(z_m / T)). A step along −h_m changes the
 * cross-entropy by −η r_m, so a positive reward helps. Where the label is unknown there is no task, g = 0: the teachers tie at 0, and
 * nothing is learned from the sample.
 *
 * @returns [B, M]
 */
export function gradientAlignmentReward(
  studentLogits: tf.Tensor2D,
  teacherLogits: tf.Tensor2D[],
  labels: Labels,
  temperature: number,
): tf.Tensor2D {
  return tf.tidy(() => {
    const taskGradient = tf
      .softmax(studentLogits)
      .mul(knownShare(labels).expandDims(1))
      .sub(labelProbabilities(labels, studentLogits.shape[1]));
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
        batch,
        temperature,
      );
      return { logit: reward, feature: reward };
    },
});

/**
 * MTKD-RL, eq. 6: R_m = −CE − α·KL_m − β·D_m, where the losses' own weights are α and β. D_m is divided by the teacher's mean
 * square feature, or the teacher with the smallest features would get a constant bonus; `scaleFeatures: false` is the paper's.
 *
 * CE is common to all teachers and the weighting centers rewards over teachers, so weight goes to the teacher that the student
 * resembles already: from a cold start that is as often a useless teacher as a good one. For the same reason a sample without a
 * label, whose CE is 0, has the advantages that it would have with one.
 */
export const eq6 = definePart('reward', {
  name: 'eq6',
  summary: "The MTKD-RL paper's reward (eq. 6): minus the distance between student and teacher.",
  options: z.strictObject({
    scaleFeatures: z
      .boolean()
      .default(true)
      .describe("Divide each teacher's feature loss by the mean square of its features; false is the paper's."),
  }),
  create: ({ scaleFeatures }, { path }): Reward => {
    return (view) => {
      if (!view.batch.label) throw new InputError(`${path}: eq6 needs labels`);
      const { studentCrossEntropy, logitLoss, featureLoss } = view;
      const features = scaleFeatures ? featureLoss.div(featureScale(view)) : featureLoss;
      const reward = studentCrossEntropy.expandDims(1).add(logitLoss).add(features).neg() as tf.Tensor2D;
      return { logit: reward, feature: reward };
    };
  },
});

/** [1, M] mean square of each teacher's features; 1 without a feature map. */
function featureScale({ teachers }: DistillationView): tf.Tensor {
  const scales = teachers.map(({ featureMap }) => (featureMap ? featureMap.square().mean().add(1e-8) : tf.scalar(1)));
  return tf.stack(scales).expandDims(0);
}

/**
 * The reward of MTKD-RL's public code: minus what the sample's loss was under the weights that taught it,
 * R = −(CE + Σ_m w_m KL_m + β Σ_m w'_m D_m). One number per sample, given to every teacher alike, so it cannot tell teachers apart:
 * with objective `log` it pulls the fused weights to 1/M, with `weight` it moves nothing.
 */
export const fusedScalar = definePart('reward', {
  name: 'fused-scalar',
  summary: "The MTKD-RL code's reward: minus the sample's weighted loss, the same for every teacher.",
  options: z.strictObject({}),
  create: (_, { path }): Reward => {
    return ({ studentCrossEntropy, logitLoss, featureLoss, teachers, weights }) => {
      if (!weights) {
        throw new InputError(
          `${path}: fused-scalar is made of the teacher weights, which only weighting "agent" tells rewards`,
        );
      }
      const weighted = (of: tf.Tensor2D | undefined, loss: tf.Tensor2D) => (of ? [loss.mul(of).sum(1)] : []);
      const loss = tf.addN([
        studentCrossEntropy,
        ...weighted(weights.logit, logitLoss),
        ...weighted(weights.feature, featureLoss),
      ]);
      const reward = tf.tile(loss.neg().expandDims(1), [1, teachers.length]) as tf.Tensor2D;
      return { logit: reward, feature: reward };
    };
  },
});
