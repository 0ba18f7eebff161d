import type { BatchTensors } from '@retort/core';
import * as tf from '@tensorflow/tfjs';

/** The labels of a batch, those of mixed images included. */
export type Labels = Pick<BatchTensors, 'label' | 'otherLabel' | 'labelShare'>;

/** What the labels ask for, [B, C]: one-hot, or the shares of a mixed image's two classes (Zhang et al. 2018, eq. 2). */
export function labelProbabilities({ label, otherLabel, labelShare }: Labels, classes: number): tf.Tensor2D {
  const own = tf.oneHot(label!, classes) as tf.Tensor2D;
  if (!otherLabel || !labelShare) return own;
  const share = labelShare.expandDims(1);
  return own.mul(share).add(tf.oneHot(otherLabel, classes).mul(tf.sub(1, share)));
}
