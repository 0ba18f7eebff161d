import { defineLoss, z } from '@retort/core';
import { untaped } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { pairsOf, sharedWidth, similarityLogits } from './image-text-pairs.js';
import { softenedKl } from './knowledge-distillation.js';

/**
 * How near each image is to all texts of the batch and each text to all images, as the teacher has it (Yang et al. 2024, "CLIP-KD", the
 * contrastive relational distillation CRD). Each network by its own scale and in its own space: sizes may differ, nothing is trained.
 */
export const relationalContrastive = defineLoss({
  name: 'relational-contrastive',
  summary: "KL divergence of the batch's image-to-text and text-to-image distributions from teacher to student.",
  needs: {
    student: ['imageEmbedding', 'textEmbedding', 'logitScale'],
    teacher: ['imageEmbedding', 'textEmbedding', 'logitScale'],
  },
  options: z.strictObject({}),
  create: (_options, context) => {
    sharedWidth('relational-contrastive', context, 'student');
    sharedWidth('relational-contrastive', context, 'teacher');
    return {
      apply: (student, teacher, batch) => {
        const ofStudent = pairsOf('relational-contrastive', context, student, batch);
        const ofTeacher = pairsOf('relational-contrastive', context, teacher!, batch);
        return {
          perSample: tf.tidy(() =>
            symmetricKl(
              similarityLogits(ofStudent.image, ofStudent.text, student.logitScale!),
              untaped(() => similarityLogits(ofTeacher.image, ofTeacher.text, teacher!.logitScale!)),
            ),
          ),
        };
      },
    };
  },
});

/**
 * ½ (KL of row i + KL of column i), teacher ‖ student, p = softmax(L).
 *
 * @param student L [B, B], an image per row and a text per column; gradients flow here only
 * @param teacher [B, B]
 * @returns [B], nats, never negative
 */
export function symmetricKl(student: tf.Tensor2D, teacher: tf.Tensor2D): tf.Tensor1D {
  return tf.tidy(() =>
    softenedKl(student, teacher, 1)
      .add<tf.Tensor1D>(
        softenedKl(
          student.transpose(),
          untaped(() => teacher.transpose()),
          1,
        ),
      )
      .div(2),
  );
}
