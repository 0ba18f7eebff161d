import type { Random } from '@retort/core';
import { batchNorm } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { constantVariable, uniformVariable } from './initialize.js';

/** Maps a student's embedding into a teacher's space. */
export interface EmbeddingAdapter {
  readonly variables: Record<'gamma' | 'beta' | 'kernel' | 'bias', tf.Variable>;
  readonly state: Record<'movingMean' | 'movingVariance', tf.Variable>;
  /** [B, d] to [B, D]. Training normalizes with the batch and moves the averages. */
  apply(embedding: tf.Tensor2D, mode: { training: boolean }): tf.Tensor2D;
  dispose(): void;
}

/**
 * Batch normalization, then a linear map: the adapter of KD++'s published code, less its dropout.
 *
 * @param random draws the kernel, then the bias
 */
export function createEmbeddingAdapter(from: number, to: number, random: Random): EmbeddingAdapter {
  const variables = {
    gamma: constantVariable(from, 1, true),
    beta: constantVariable(from, 0, true),
    kernel: uniformVariable([from, to], from, random),
    bias: uniformVariable([to], from, random),
  };
  const state = {
    movingMean: constantVariable(from, 0, false),
    movingVariance: constantVariable(from, 1, false),
  };
  return {
    variables,
    state,
    apply: (embedding, { training }) =>
      tf.tidy(() => {
        const { gamma, beta, kernel, bias } = variables;
        return batchNorm(embedding, { gamma, beta, ...state }, training ? 'train' : 'evaluate')
          .matMul(kernel as tf.Tensor as tf.Tensor2D)
          .add<tf.Tensor2D>(bias);
      }),
    dispose: () => tf.dispose([variables, state]),
  };
}
