import { type BatchTensors, defineLoss, z } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { labelsOf, shapeOf } from './shapes.js';

/** Cross-entropy of the student against the labels: the task loss. Reads the labels of mixed images (mixup, CutMix). */
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
 * −Σ_c q(c) · log softmax(z)(c), with q = (1 − ε) · (λ · onehot(y) + (1 − λ) · onehot(y')) + ε / C (Szegedy et al. 2016, §7;
 * Zhang et al. 2018, eq. 2).
 *
 * @param logits [B, C]
 * @param label [B] int32 in [0, C): y
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
    const ofClass = (which: tf.Tensor1D) => logProbability.mul(tf.oneHot(which, logits.shape[1])).sum(1);
    let ofLabel = ofClass(label);
    if (mixed) {
      const ofOther = ofClass(mixed.otherLabel);
      ofLabel = ofOther.add(ofLabel.sub(ofOther).mul(mixed.labelShare));
    }
    if (labelSmoothing === 0) return ofLabel.neg() as tf.Tensor1D;
    return ofLabel.mul(labelSmoothing - 1).sub(logProbability.mean(1).mul(labelSmoothing)) as tf.Tensor1D;
  });
}
