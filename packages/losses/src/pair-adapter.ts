import type { Random } from '@retort/core';
import type * as tf from '@tensorflow/tfjs';
import type { ImageTextPairs } from './image-text-pairs.js';
import { uniformVariable } from './initialize.js';

/** Maps a student's two embeddings into a teacher's space. */
export interface PairAdapter {
  /** Empty where sizes are equal and nothing is mapped. */
  readonly variables: Partial<Record<'imageKernel' | 'textKernel', tf.Variable>>;
  /** [B, d] to [B, D] each. */
  apply(pairs: ImageTextPairs): ImageTextPairs;
}

/**
 * A linear map without bias for images and one for texts, where sizes differ: a bias would pull all to one point before they are
 * brought to unit length.
 *
 * @param random draws the kernel of images, then that of texts
 */
export function createPairAdapter(from: number, to: number, random: Random): PairAdapter {
  if (from === to) return { variables: {}, apply: (pairs) => pairs };
  const variables = {
    imageKernel: uniformVariable([from, to], from, random),
    textKernel: uniformVariable([from, to], from, random),
  };
  const map = (embedding: tf.Tensor2D, kernel: tf.Variable) =>
    embedding.matMul(kernel as tf.Tensor as tf.Tensor2D) as tf.Tensor2D;
  return {
    variables,
    apply: ({ image, text }) => ({
      image: map(image, variables.imageKernel),
      text: map(text, variables.textKernel),
    }),
  };
}
