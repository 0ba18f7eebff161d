import { untaped } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';

/**
 * A teacher of a task with fewer actions than the student has gives −10⁹ for those it does not know (`multi-task`). Below this they
 * are taken for such.
 */
const absent = -1e8;

/** [B, n] 1 where a teacher knows the action, 0 where it does not. */
function knownActions(teacher: tf.Tensor2D): tf.Tensor2D {
  return untaped(() => tf.tidy(() => teacher.greater(absent).cast('float32')));
}

/** [B] mean over actions that a teacher knows of squared differences. @param student [B, n]; gradients flow here only */
export function meanSquareOfKnown(student: tf.Tensor2D, teacher: tf.Tensor2D): tf.Tensor1D {
  return tf.tidy(() => {
    const known = knownActions(teacher);
    // Multiplied before it is squared, so that what is left out has no gradient.
    const apart = student.sub(untaped(() => tf.maximum(teacher, absent))).mul(known);
    return apart.square().sum(1).div(known.sum(1)) as tf.Tensor1D;
  });
}
