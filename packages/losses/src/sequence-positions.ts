import { type BatchTensors, InputError, type LossContext } from '@retort/core';
import { untaped } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { incomparable, shapeOf } from './shapes.js';

/** The answer of each row, to be learned token by token. */
export interface AnswerTokens {
  /** [B, N − 1] int32: the token that comes after each but the last. */
  next: tf.Tensor2D;
  /** [B, N − 1]: 1 where that token is one of the answer's. */
  mask: tf.Tensor2D;
}

/**
 * What is to be said after each token but the last.
 *
 * @throws InputError where the data set has no sequences
 */
export function answerTokensOf(
  loss: string,
  { path }: LossContext,
  { tokens, answerMask }: BatchTensors,
): AnswerTokens {
  if (!tokens || !answerMask) {
    throw new InputError(`${path}: loss "${loss}" needs answers of tokens, the data set gives none`, {
      hints: ['choose a data set of sequences, such as arithmetic'],
    });
  }
  const [rows, length] = tokens.shape;
  return untaped(() => ({
    next: tokens.slice([0, 1], [rows, length - 1]),
    mask: answerMask.slice([0, 1], [rows, length - 1]).cast('float32'),
  }));
}

/** Logits [B, N, V] after each token but the last, [B, N − 1, V]. */
export function beforeNext(tokenLogits: tf.Tensor3D): tf.Tensor3D {
  const [rows, length, vocabulary] = tokenLogits.shape;
  return tokenLogits.slice([0, 0, 0], [rows, length - 1, vocabulary]);
}

/**
 * Mean over the tokens of the answer, so that a long answer counts as much as a short one.
 *
 * @param perToken [B, N − 1]
 * @returns [B]; 0 for a row without an answer
 */
export function meanOfAnswer(perToken: tf.Tensor2D, mask: tf.Tensor2D): tf.Tensor1D {
  return tf.tidy(() => {
    const count = untaped(() => mask.sum(1).maximum(1));
    return perToken.mul(mask).sum(1).div(count);
  });
}

/** Both must say something about the same tokens at the same places. @throws InputError naming both shapes */
export function checkSameTokens(loss: string, context: LossContext): void {
  const student = shapeOf(loss, context, 'student', 'tokenLogits', ['N', 'V']);
  const teacher = shapeOf(loss, context, 'teacher', 'tokenLogits', ['N', 'V']);
  if (student.join() === teacher.join()) return;
  throw incomparable(loss, context, 'tokenLogits', 'compares the same tokens', [
    'take a teacher that was trained on the same data set',
  ]);
}
