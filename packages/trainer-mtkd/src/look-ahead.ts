import type { BatchTensors, Head, LossTerm, NetworkOutput, Student } from '@retort/core';
import { forward, gradientsOf, mapValues, type TensorMap, ungroup, untaped } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { crossEntropy, evaluateTerms, lossesByHead } from './distillation-view.js';

/** Reserved samples. */
export interface HeldOut {
  /** [B', H, W, 3]. */
  image: tf.Tensor4D;
  /** [B'] int32. */
  label: tf.Tensor1D;
  /** The student's, see `Student.noise`. */
  noise?: TensorMap;
}

/** The part of the parameters' norm that finite differences move them by. Less is lost in float32, more is no longer a slope. */
export const relativeShift = 1e-3;

/**
 * How fast a step down the gradient of each teacher's loss lowers the loss on reserved samples V: with v = ∇θ CE(V), the student's
 * parameters θ and ε = 10⁻³ ‖θ‖ / ‖v‖,
 *
 * r_im = (ℓ_im(θ + ε v) − ℓ_im(θ − ε v)) / 2ε ≈ ⟨∇θ ℓ_im, v⟩,
 *
 * ℓ_im the losses that a head weights, each times its weight. One backward pass on V and two forward passes on the batch, all as
 * in training, with the batch's own statistics. Adapters stay as they are, and parameters and averages end bit for bit as they
 * were. Within a step, before its gradients are taken: gradients of tfjs must not be nested.
 *
 * @returns [B, M] per head; positive where following the teacher helps on V
 */
export function measureLookAhead(
  {
    student,
    terms,
    parameters,
    frozen,
  }: {
    student: Student;
    terms: readonly LossTerm[];
    parameters: Record<string, tf.Variable>;
    frozen: Record<string, tf.Variable>;
  },
  batch: BatchTensors & { noise?: TensorMap },
  teachers: NetworkOutput[],
  heldOut: HeldOut,
): Record<Head, tf.Tensor2D> {
  const moved = ungroup(parameters as Record<string, tf.Tensor>, 'student/') as Record<string, tf.Variable>;
  return tf.tidy(() => {
    const [theta, statistics] = [moved, frozen].map((variables) => mapValues(variables, (value) => value.clone()));
    const { gradients } = gradientsOf(
      () =>
        crossEntropy(
          forward(student, heldOut, { training: true, noise: heldOut.noise }).logits!,
          heldOut,
        ).mean() as tf.Scalar,
      moved,
    );
    const epsilon = normOf(theta).mul(relativeShift).div(normOf(gradients).maximum(1e-12));
    const lossesAt = (sign: 1 | -1) => {
      for (const [key, gradient] of Object.entries(gradients)) {
        moved[key].assign(theta[key].add(gradient.mul(epsilon.mul(sign))));
      }
      return untaped(() => {
        const output = forward(student, batch, { training: true, noise: batch.noise });
        return lossesByHead(terms, evaluateTerms(terms, output, teachers, batch, { training: true }), teachers.length);
      });
    };
    const [plus, minus] = [lossesAt(1), lossesAt(-1)];
    for (const [key, value] of Object.entries(theta)) moved[key].assign(value);
    for (const [key, value] of Object.entries(statistics)) frozen[key].assign(value);
    return mapValues(plus, (losses, head) => losses.sub<tf.Tensor2D>(minus[head as Head]).div(epsilon.mul(2)));
  }) as Record<Head, tf.Tensor2D>;
}

/** Euclidean norm over all tensors, a scalar. */
export function normOf(tensors: Record<string, tf.Tensor>): tf.Scalar {
  return tf.tidy(() => tf.addN(Object.values(tensors).map((tensor) => tensor.square().sum())).sqrt() as tf.Scalar);
}
