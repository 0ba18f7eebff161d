import type { Optimizer } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';

/** The learning rate to give to steps in place of the optimizer's own, falling in a line to 0 at the end of the run. */
export function annealed(
  { anneal }: { anneal: boolean },
  { learningRate }: Optimizer,
  progress: number,
): { learningRate?: tf.Scalar } {
  return anneal ? { learningRate: tf.scalar(learningRate * (1 - progress)) } : {};
}
