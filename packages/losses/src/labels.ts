import { untaped } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';

/**
 * 1 where a row's label is the column, 0 elsewhere. A label of −1, unknown, gives a row of zeros. Not tf.oneHot, which refuses a
 * single class.
 *
 * @param label [B] int32 in [−1, classes)
 * @returns [B, classes], a constant
 */
export function labelRows(label: tf.Tensor1D, classes: number): tf.Tensor2D {
  return untaped(() =>
    tf.tidy(() =>
      label
        .expandDims(1)
        .equal(tf.range(0, classes, 1, 'int32'))
        .cast<tf.Tensor2D>('float32'),
    ),
  );
}

/**
 * 1 where the label is known, 0 where it is −1.
 *
 * @param label [B] int32
 * @returns [B], a constant
 */
export function isLabeled(label: tf.Tensor1D): tf.Tensor1D {
  return untaped(() => tf.tidy(() => label.greaterEqual(0).cast<tf.Tensor1D>('float32')));
}
