import { bindOptimizer, gradientsWithAux, type Optimizer } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { prefixed, type Variables } from './network.js';

/** Some parameters, the optimizer that moves them and the number of its steps. */
export interface Learner {
  /** Parameters, slots and counter. */
  readonly variables: Variables;
  /**
   * One step down the loss.
   *
   * @param f the loss, and scalars of its forward pass to report
   * @param learningRate in place of the optimizer's own
   * @returns all of them, as they were before the step
   */
  minimize<R extends { loss: tf.Scalar }>(f: () => R, learningRate?: tf.Scalar): R;
}

/** @param maxGradientNorm longer gradients, over all parameters together, are shortened to it */
export function createLearner(optimizer: Optimizer, parameters: Variables, maxGradientNorm?: number): Learner {
  const bound = bindOptimizer(optimizer, parameters);
  const step = tf.tidy(() => tf.variable(tf.scalar(0), false));
  return {
    variables: { ...parameters, ...prefixed('slots', bound.variables), step },
    minimize: <R extends { loss: tf.Scalar }>(f: () => R, learningRate?: tf.Scalar) =>
      tf.tidy(() => {
        const { gradients, aux } = gradientsWithAux(() => {
          const report = f();
          return { value: report.loss, aux: report as R & Record<string, tf.Tensor> };
        }, parameters);
        step.assign(step.add(1));
        bound.apply(maxGradientNorm === undefined ? gradients : clipNorm(gradients, maxGradientNorm), {
          learningRate: learningRate ?? tf.scalar(optimizer.learningRate),
          step: step as tf.Tensor as tf.Scalar,
        });
        return aux;
      }),
  };
}

function clipNorm(gradients: Record<string, tf.Tensor>, maximum: number): Record<string, tf.Tensor> {
  const norm = tf.addN(Object.values(gradients).map((gradient) => gradient.square().sum())).sqrt();
  const factor = tf.minimum(1, tf.div(maximum, norm.add(1e-6)));
  return Object.fromEntries(Object.entries(gradients).map(([key, gradient]) => [key, gradient.mul(factor)]));
}
