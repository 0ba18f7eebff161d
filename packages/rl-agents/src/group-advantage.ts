import * as tf from '@tensorflow/tfjs';

/**
 * A_i = r_i − mean of its group, over the group's deviation where asked for (Shao et al. 2024, §4.1.2). A group whose actions all earn
 * the same teaches nothing.
 *
 * @param reward [G · B], the G actions of state b at b, B + b, 2B + b …
 * @returns [G · B]
 */
export function groupAdvantage(reward: tf.Tensor1D, groupSize: number, normalize: 'deviation' | 'none'): tf.Tensor1D {
  return tf.tidy(() => {
    const groups = reward.reshape<tf.Tensor2D>([groupSize, -1]);
    const centered = groups.sub<tf.Tensor2D>(groups.mean(0, true));
    if (normalize === 'none') return centered.as1D();
    // A rounding error apart is the same.
    const deviation = centered.square().mean(0, true).sqrt().add(1e-4);
    return centered.div<tf.Tensor2D>(deviation).as1D();
  });
}
