import { type BatchTensors, defineLoss, z } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { isLabeled, labelRows } from './labels.js';
import { labelsOf, shapeOf } from './shapes.js';

/**
 * Cross-entropy of the student against the labels: the task loss. Reads the labels of mixed images (mixup, CutMix). 0 for a sample
 * without a label.
 */
export const crossEntropy = defineLoss({
  name: 'cross-entropy',
  summary: "The student's cross-entropy against the labels.",
  needs: { student: ['logits'] },
  options: z.strictObject({
    labelSmoothing: z
      .number()
      .min(0)
      .lt(1)
      .default(0)
      .describe('Share of the target spread evenly over all classes (Szegedy et al. 2016).'),
  }),
  create: ({ labelSmoothing }, context) => {
    shapeOf('cross-entropy', context, 'student', 'logits', ['C']);
    return {
      apply: (student, _teacher, batch) => {
        const label = labelsOf('cross-entropy', context, batch);
        const { otherLabel, labelShare } = batch;
        const mixed = otherLabel && labelShare ? { otherLabel, labelShare } : undefined;
        return { perSample: crossEntropyPerSample(student.logits!, label, labelSmoothing, mixed) };
      },
    };
  },
});

/**
 * −Σ_c q(c) · log softmax(z)(c), with q = λ · q_y + (1 − λ) · q_y' and q_y = (1 − ε) · onehot(y) + ε / C (Szegedy et al. 2016, §7;
 * Zhang et al. 2018, eq. 2). q_y = 0 where y is unknown: a mixed image counts with the share of its labels that are known.
 *
 * @param logits [B, C]
 * @param label [B] int32 in [0, C), or −1 where it is unknown: y
 * @param labelSmoothing ε in [0, 1)
 * @param mixed y' and λ; λ = 1 without
 * @returns [B], nats
 */
export function crossEntropyPerSample(
  logits: tf.Tensor2D,
  label: tf.Tensor1D,
  labelSmoothing = 0,
  mixed?: Required<Pick<BatchTensors, 'otherLabel' | 'labelShare'>>,
): tf.Tensor1D {
  return tf.tidy(() => {
    const logProbability = tf.logSoftmax(logits);
    const againstLabel = (which: tf.Tensor1D): tf.Tensor => {
      const ofLabel = logProbability.mul(labelRows(which, logits.shape[1])).sum(1);
      if (labelSmoothing === 0) return ofLabel.neg();
      const ofAll = logProbability.mean(1).mul(isLabeled(which));
      return ofLabel.mul(labelSmoothing - 1).sub(ofAll.mul(labelSmoothing));
    };
    const own = againstLabel(label);
    if (!mixed) return own as tf.Tensor1D;
    const other = againstLabel(mixed.otherLabel);
    return other.add(own.sub(other).mul(mixed.labelShare)) as tf.Tensor1D;
  });
}
