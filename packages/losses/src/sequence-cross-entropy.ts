import { defineLoss, z } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { answerTokensOf, beforeNext, meanOfAnswer } from './sequence-positions.js';
import { shapeOf } from './shapes.js';

/** Cross-entropy of each token of the answer, given the prompt and the tokens before it: the task loss of sequences. */
export const sequenceCrossEntropy = defineLoss({
  name: 'sequence-cross-entropy',
  summary: "The student's cross-entropy against the tokens of the answer.",
  needs: { student: ['tokenLogits'] },
  options: z.strictObject({}),
  create: (_, context) => {
    shapeOf('sequence-cross-entropy', context, 'student', 'tokenLogits', ['N', 'V']);
    return {
      apply: (student, _teacher, batch) => ({
        perSample: tf.tidy(() => {
          const { next, mask } = answerTokensOf('sequence-cross-entropy', context, batch);
          return meanOfAnswer(tokenLogProbability(beforeNext(student.tokenLogits!), next).neg(), mask);
        }),
      }),
    };
  },
});

/**
 * log softmax(z)(v) of the token v that was taken.
 *
 * @param logits [B, N, V]
 * @param tokens [B, N] int32 in [0, V)
 * @returns [B, N], nats, at most 0
 */
export function tokenLogProbability(logits: tf.Tensor3D, tokens: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => tf.logSoftmax(logits).mul(tf.oneHot(tokens, logits.shape[2])).sum(2));
}
