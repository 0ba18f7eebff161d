import { defineLoss, z } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { crossEntropyPerSample } from './cross-entropy.js';
import { pairsOf, sharedWidth, similarityLogits } from './image-text-pairs.js';

/**
 * Which text of the batch belongs to an image, and which image to a text (Radford et al. 2021, "Learning Transferable Visual Models
 * From Natural Language Supervision", figure 3): the task loss of image-text pairs. Two images with the same text count as strangers.
 */
export const infoNce = defineLoss({
  name: 'info-nce',
  summary: "The student's cross-entropy of an image's own text among the batch's, and of a text's own image.",
  needs: { student: ['imageEmbedding', 'textEmbedding', 'logitScale'] },
  options: z.strictObject({}),
  create: (_options, context) => {
    sharedWidth('info-nce', context, 'student');
    return {
      apply: (student, _teacher, batch) => {
        const { image, text } = pairsOf('info-nce', context, student, batch);
        return {
          perSample: tf.tidy(() => symmetricInfoNce(similarityLogits(image, text, student.logitScale!))),
        };
      },
    };
  },
});

/**
 * −½ (log softmax_j(L_ij) + log softmax_j(L_ji)) at j = i: pair i is found among the row's and among the column's.
 *
 * @param logits L [B, B], an image per row and a text per column
 * @returns [B], nats, never negative; 0 for a batch of one
 */
export function symmetricInfoNce(logits: tf.Tensor2D): tf.Tensor1D {
  return tf.tidy(() => pairEntropy(logits).add<tf.Tensor1D>(pairEntropy(logits.transpose())).div(2));
}

/** −log softmax_j(L_ij) at j = i, [B] of [B, B]. */
export function pairEntropy(logits: tf.Tensor2D): tf.Tensor1D {
  return crossEntropyPerSample(logits, tf.range(0, logits.shape[0], 1, 'int32'));
}
