import { type BatchTensors, InputError, type LossContext, type NetworkOutput } from '@retort/core';
import { unitRows } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { shapeOf } from './shapes.js';

/**
 * D of a network whose images and texts share a space.
 *
 * @throws InputError where one of the embeddings is missing or they are of two sizes
 */
export function sharedWidth(loss: string, context: LossContext, whose: 'student' | 'teacher'): number {
  const [image] = shapeOf(loss, context, whose, 'imageEmbedding', ['D']);
  const [text] = shapeOf(loss, context, whose, 'textEmbedding', ['D']);
  if (image === text) return image;
  const name = whose === 'student' ? 'the student' : `teacher "${context.teacherId}"`;
  throw new InputError(
    `${context.path}: ${name} gives images of ${image} numbers and texts of ${text}; loss "${loss}" compares them`,
    { hints: ['the encoders of both must end in projections of one size'] },
  );
}

/** Embeddings [B, D] where text i belongs to image i, not of unit length. */
export interface ImageTextPairs {
  image: tf.Tensor2D;
  text: tf.Tensor2D;
}

/**
 * The embeddings of a batch of pairs.
 *
 * @throws InputError for a batch without texts, or where text i is not of image i: batches of validation and test hold all captions
 */
export function pairsOf(
  loss: string,
  { path }: LossContext,
  { imageEmbedding, textEmbedding }: NetworkOutput,
  { imageOfText }: BatchTensors,
): ImageTextPairs {
  if (!imageEmbedding || !textEmbedding) {
    throw new InputError(`${path}: loss "${loss}" needs a text for every image, this batch has none`, {
      hints: ['take a data set with captions'],
    });
  }
  const [images, texts] = [imageEmbedding.shape[0], textEmbedding.shape[0]];
  if (imageOfText || images !== texts) {
    throw new InputError(
      `${path}: loss "${loss}" needs one text an image, text i of image i; this batch has ${texts} texts of ${images} images`,
      { hints: ['batches of the train split are such; on the others measure with the metric retrieval'] },
    );
  }
  return { image: imageEmbedding, text: textEmbedding };
}

/**
 * scale · cos(a_i, b_j).
 *
 * @param a [N, D]
 * @param b [M, D]
 * @param scale one number
 * @returns [N, M]; 0 where either vector is zero
 */
export function similarityLogits(a: tf.Tensor2D, b: tf.Tensor2D, scale: tf.Tensor): tf.Tensor2D {
  return tf.tidy(() => tf.matMul(unitRows(a), unitRows(b), false, true).mul<tf.Tensor2D>(scale));
}
