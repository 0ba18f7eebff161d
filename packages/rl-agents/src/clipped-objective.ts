import type { TensorMap } from '@retort/nn';
import type * as tf from '@tensorflow/tfjs';
import type { Evaluation } from './actor-critic.js';
import { masked, maskedMean } from './masked.js';
import { ppoObjective } from './objective.js';

/**
 * The clipped loss of a policy less its entropy, and what it tells: `divergence`, how far the policy has moved from the one that
 * acted, by k3 of Schulman's "Approximating KL divergence", and `clipFraction`, the share of rows that moved beyond the clip.
 *
 * @returns a function of a batch with `oldLogProbability`, `advantage` and, where there are rows that do not count, `mask`, [N] each
 */
export function clippedObjective({ clip, entropyCoefficient }: { clip: number; entropyCoefficient: number }) {
  const objective = ppoObjective(clip);
  return (
    { logProbability, entropy: entropies }: Evaluation,
    batch: TensorMap,
  ): { loss: tf.Scalar; entropy: tf.Scalar; divergence: tf.Scalar; clipFraction: tf.Scalar } => {
    const [advantage, oldLogProbability] = ['advantage', 'oldLogProbability'].map((name) => batch[name] as tf.Tensor1D);
    const mask = batch.mask as tf.Tensor1D | undefined;
    const entropy = maskedMean(entropies, mask);
    const d = masked(logProbability.sub<tf.Tensor1D>(oldLogProbability), mask);
    const ratio = d.exp<tf.Tensor1D>();
    // e^d − 1 − d
    const divergence = maskedMean(ratio.sub(1).sub(d), mask);
    const clipFraction = maskedMean(ratio.sub(1).abs().greater(clip).cast('float32'), mask);
    const loss = maskedMean(objective({ logProbability, oldLogProbability, advantage }), mask).sub<tf.Scalar>(
      entropy.mul(entropyCoefficient),
    );
    return { loss, entropy, divergence, clipFraction };
  };
}
