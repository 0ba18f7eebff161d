import type { Random } from '@retort/core';
import { batchNorm, resizeFeatureMap } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { constantVariable, uniformVariable } from './initialize.js';

/** Maps a student's feature map into a teacher's space. */
export interface FeatureAdapter {
  readonly variables: Record<'kernel' | 'bias' | 'gamma' | 'beta', tf.Variable>;
  readonly state: Record<'movingMean' | 'movingVariance', tf.Variable>;
  /** [B, h, w, k] to [B, H, W, K]. Training normalizes with the batch and moves the averages. */
  apply(studentMap: tf.Tensor4D, mode: { training: boolean }): tf.Tensor4D;
  dispose(): void;
}

/**
 * Resize to the teacher's height and width (average pooling down, bilinear up), 1 × 1 convolution with bias, batch
 * normalization, ReLU: the adapter of MTKD-RL's published code.
 *
 * @param from [h, w, k] of the student
 * @param to [H, W, K] of the teacher
 * @param random draws the kernel, then the bias
 */
export function createFeatureAdapter(from: number[], to: number[], random: Random): FeatureAdapter {
  const [k] = from.slice(-1);
  const [height, width, channels] = to;
  const variables = {
    kernel: uniformVariable([k, channels], k, random),
    bias: uniformVariable([channels], k, random),
    gamma: constantVariable(channels, 1, true),
    beta: constantVariable(channels, 0, true),
  };
  const state = {
    movingMean: constantVariable(channels, 0, false),
    movingVariance: constantVariable(channels, 1, false),
  };
  return {
    variables,
    state,
    apply: (studentMap, { training }) =>
      tf.tidy(() => {
        const batch = studentMap.shape[0];
        // A 1 × 1 convolution is a matrix product over channels, and much faster written as one.
        const pixels = resizeFeatureMap(studentMap, height, width).reshape<tf.Tensor2D>([batch * height * width, k]);
        const mapped = pixels.matMul(variables.kernel as tf.Tensor as tf.Tensor2D).add<tf.Tensor2D>(variables.bias);
        const { gamma, beta } = variables;
        return batchNorm(mapped, { gamma, beta, ...state }, training ? 'train' : 'evaluate')
          .relu()
          .reshape<tf.Tensor4D>([batch, height, width, channels]);
      }),
    dispose: () => tf.dispose([variables, state]),
  };
}
