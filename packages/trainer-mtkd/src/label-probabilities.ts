import type { BatchTensors } from '@retort/core';
import * as tf from '@tensorflow/tfjs';

/** The labels of a batch, those of mixed images included; −1 where one is unknown. */
export type Labels = Pick<BatchTensors, 'label' | 'otherLabel' | 'labelShare'>;

/**
 * What the labels ask for, [B, C]: one-hot, or the shares of a mixed image's two classes (Zhang et al. 2018, eq. 2). A label that
 * is unknown gives nothing: rows sum to {@link knownShare}.
 */
export function labelProbabilities({ label, otherLabel, labelShare }: Labels, classes: number): tf.Tensor2D {
  const own = labelRows(label!, classes);
  if (!otherLabel || !labelShare) return own;
  const share = labelShare.expandDims(1);
  return own.mul(share).add(labelRows(otherLabel, classes).mul(tf.sub(1, share)));
}

/** [B] in [0, 1]: how much of a sample's label is known, 1 or 0, and for mixed images the share of what is. */
export function knownShare({ label, otherLabel, labelShare }: Labels): tf.Tensor1D {
  const own = isKnown(label!);
  if (!otherLabel || !labelShare) return own;
  return own.mul(labelShare).add(isKnown(otherLabel).mul(tf.sub(1, labelShare)));
}

/** [B]: 1 where the label is known, 0 where it is −1. */
export function isKnown(label: tf.Tensor1D): tf.Tensor1D {
  return label.greaterEqual(0).cast('float32');
}

/** 1 where a row's label is the column, [B, C]; a row of zeros for −1. Not tf.oneHot, which refuses a single class. */
function labelRows(label: tf.Tensor1D, classes: number): tf.Tensor2D {
  return label
    .expandDims(1)
    .equal(tf.range(0, classes, 1, 'int32'))
    .cast('float32');
}
