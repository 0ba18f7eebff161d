import { defineLoss, z } from '@retort/core';
import { unitRows, untaped } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { pairsOf, sharedWidth } from './image-text-pairs.js';
import { createPairAdapter } from './pair-adapter.js';

/**
 * Student embeddings where the teacher's are, images and texts (Yang et al. 2024, "CLIP-KD", the feature distillation FD): the squared
 * distance of the unit vectors, which is 2 (1 − cosine), of both sides. `cosine` is one side of it.
 *
 * The paper sums over the D numbers of a vector, and so does this. Its published code takes their mean, to which the published weight
 * of 2000 belongs: 2000 / D here.
 */
export const clipFeature = defineLoss({
  name: 'clip-feature',
  summary: 'Squared distance of unit embeddings of student and teacher, of images and of texts.',
  needs: { student: ['imageEmbedding', 'textEmbedding'], teacher: ['imageEmbedding', 'textEmbedding'] },
  options: z.strictObject({}),
  create: (_options, context) => {
    const from = sharedWidth('clip-feature', context, 'student');
    const to = sharedWidth('clip-feature', context, 'teacher');
    const { variables, apply } = createPairAdapter(from, to, context.seeds.stream('init'));
    return {
      variables,
      apply: (student, teacher, batch) => {
        const pairs = pairsOf('clip-feature', context, student, batch);
        const { image, text } = pairsOf('clip-feature', context, teacher!, batch);
        return {
          perSample: tf.tidy(() => {
            const adapted = apply(pairs);
            return unitDistance(adapted.image, image).add<tf.Tensor1D>(unitDistance(adapted.text, text));
          }),
        };
      },
      dispose: () => tf.dispose(variables),
    };
  },
});

/**
 * ‖a / ‖a‖ − b / ‖b‖‖².
 *
 * @param student [B, D]; gradients flow here only
 * @param teacher [B, D]
 * @returns [B] in [0, 4]; a zero vector stays one, and gets no gradient
 */
export function unitDistance(student: tf.Tensor2D, teacher: tf.Tensor2D): tf.Tensor1D {
  return tf.tidy(
    () =>
      unitRows(student)
        .sub(untaped(() => unitRows(teacher)))
        .square()
        .sum(1) as tf.Tensor1D,
  );
}
