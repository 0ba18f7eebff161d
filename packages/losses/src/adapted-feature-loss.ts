import type { Loss, LossContext } from '@retort/core';
import type * as tf from '@tensorflow/tfjs';
import { createFeatureAdapter } from './feature-adapter.js';
import { shapeOf } from './shapes.js';

/**
 * A loss of feature maps, the student's through a trained adapter.
 *
 * @param name of the loss, for errors
 * @param distance [B] of maps [B, H, W, K] in the teacher's space
 */
export function adaptedFeatureLoss(
  name: string,
  context: LossContext,
  distance: (student: tf.Tensor4D, teacher: tf.Tensor4D) => tf.Tensor1D,
): Loss {
  const from = shapeOf(name, context, 'student', 'featureMap', ['H', 'W', 'K']);
  const to = shapeOf(name, context, 'teacher', 'featureMap', ['H', 'W', 'K']);
  const adapter = createFeatureAdapter(from, to, context.seeds.stream('init'));
  return {
    variables: adapter.variables,
    state: adapter.state,
    adaptedShape: to,
    apply: (student, teacher, _batch, mode) => {
      const adapted = adapter.apply(student.featureMap!, mode);
      return { adapted, perSample: distance(adapted, teacher!.featureMap!) };
    },
    dispose: adapter.dispose,
  };
}
