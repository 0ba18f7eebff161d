import type { Head } from '@retort/core';
import * as tf from '@tensorflow/tfjs';

/** How rewards become advantages, by the name of the option. */
export const rewardNormalizations = ['rms', 'eq8-rescaled-mean', 'eq8-printed', 'batch-zscore-clamp01'] as const;
export type RewardNormalization = (typeof rewardNormalizations)[number];

/** What tells rewards apart must be more than a rounding error, in parts of the greatest. */
const tie = 1e-6;

export interface RewardNormalizer {
  /** Running scales; none for those that look at one batch. */
  readonly variables: Record<string, tf.Variable>;
  /**
   * @param reward [B, N]
   * @returns [B, N]; zeros where there is one teacher, and where rewards tie
   */
  normalize(head: Head, reward: tf.Tensor2D): tf.Tensor2D;
}

export function createRewardNormalizer(name: RewardNormalization, heads: readonly Head[]): RewardNormalizer {
  if (name !== 'rms') return { variables: {}, normalize: (_, reward) => batchNormalizations[name](reward) };
  // Mean of squared centered rewards per head, and how many batches it has seen: the scale of rewards drifts as students learn.
  const variables = Object.fromEntries(
    heads.flatMap((head) => [
      [`${head}/mean-square`, tf.tidy(() => tf.variable(tf.scalar(0), false))],
      [`${head}/updates`, tf.tidy(() => tf.variable(tf.scalar(0), false))],
    ]),
  );
  return {
    variables,
    normalize: (head, reward) => standardize(reward, variables[`${head}/mean-square`], variables[`${head}/updates`]),
  };
}

const batchNormalizations = {
  'eq8-rescaled-mean': rescaledMean,
  'eq8-printed': printedEq8,
  'batch-zscore-clamp01': clampedScore,
};

/** [B, 1]: 1 where the teachers' rewards differ by more than rounding, 0 where they tie. */
function differing(reward: tf.Tensor2D): tf.Tensor2D {
  const [least, most] = [reward.min(1, true), reward.max(1, true)];
  const size = tf.maximum(least.abs(), most.abs());
  return most.sub(least).greater(size.mul(tie)).cast('float32');
}

/**
 * Rewards relative to the mean teacher, in units of their running root mean square. Unlike a min-max over teachers this keeps
 * ties small: a difference of 1e-6 stays one.
 */
function standardize(reward: tf.Tensor2D, meanSquare: tf.Variable, updates: tf.Variable): tf.Tensor2D {
  // What rounding leaves of a tie would otherwise be the scale where all samples tie.
  const centered = reward.sub(reward.mean(1, true)).mul(differing(reward));
  updates.assign(updates.add(1));
  // A plain mean over the first batches, then exponential with a memory of a hundred.
  const rate = tf.maximum(tf.div(1, updates), 0.01);
  meanSquare.assign(meanSquare.add(centered.square().mean().sub(meanSquare).mul(rate)));
  return centered.div(meanSquare.sqrt().add(1e-8)) as tf.Tensor2D;
}

/** (R − min) / (max − min) over the teachers of a sample; 0 where they tie. */
function minMax(reward: tf.Tensor2D, differ: tf.Tensor2D): tf.Tensor2D {
  const least = reward.min(1, true);
  const range = reward.max(1, true).sub(least);
  // A 1 in place of a range that may be 0 keeps what is multiplied by 0 finite.
  return reward
    .sub(least)
    .div<tf.Tensor2D>(range.add(tf.sub(1, differ)))
    .mul(differ);
}

/** MTKD-RL eq. 8 as its text has it: rescaled to [0, 1] over the teachers, less the mean of that. */
function rescaledMean(reward: tf.Tensor2D): tf.Tensor2D {
  const rescaled = minMax(reward, differing(reward));
  return rescaled.sub(rescaled.mean(1, true));
}

/** MTKD-RL eq. 8 as printed: rescaled to [0, 1] over the teachers, less the mean of the rewards as they were. */
function printedEq8(reward: tf.Tensor2D): tf.Tensor2D {
  const differ = differing(reward);
  return minMax(reward, differ).sub(reward.mean(1, true).mul(differ));
}

/**
 * MTKD-RL's public code: (R − mean) / deviation over the batch, kept within [0, 1]. The code has one reward per sample; of several,
 * mean and deviation are over all of them, which is the same where they are alike.
 */
function clampedScore(reward: tf.Tensor2D): tf.Tensor2D {
  const [rows, count] = reward.shape;
  if (rows === 1) return tf.zerosLike(reward);
  const mean = reward.mean();
  const centered = reward.sub(mean);
  const deviation = centered
    .square()
    .sum()
    .div(count * (rows - 1))
    .sqrt();
  const differ = deviation.greater(mean.abs().mul(tie)).cast('float32');
  return centered
    .div(deviation.add(tf.sub(1, differ)))
    .clipByValue(0, 1)
    .mul(differ) as tf.Tensor2D;
}
