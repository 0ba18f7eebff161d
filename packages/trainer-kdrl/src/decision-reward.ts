import { InputError } from '@retort/core';
import type * as tf from '@tensorflow/tfjs';

declare module '@retort/core' {
  interface PartKinds {
    'decision-reward': { context: { path: string }; instance: DecisionReward };
  }
}

/** The two actions of a decision: a class, and a feature vector per tap. */
export const actionNames = ['class', 'feature'] as const;
export type ActionName = (typeof actionNames)[number];

/** One decision per image, and what it may be judged by. Whoever composes the run provides the optional fields or says what lacks. */
export interface Decision {
  /** [B, C] log softmax(s / τ): the student's own belief over labels or candidate texts. */
  logProbabilities: tf.Tensor2D;
  /** [B] int32: the class that was taken. */
  classAction: tf.Tensor1D;
  /** Per tap [B, D]: the feature that was taken, around the student's unit feature and not of unit length itself. */
  featureActions: readonly tf.Tensor2D[];
  /** [B] int32. */
  label?: tf.Tensor1D;
  /** [B, C], before the softmax. */
  teacherLogits?: tf.Tensor2D;
  /** [K, D], unit length. */
  centers?: tf.Tensor2D;
  /** [B] int32: the cluster of the teacher's embedding. */
  assignment?: tf.Tensor1D;
}

/** What a decision earns. */
export interface DecisionReward {
  /** The sampled actions that its value depends on; none, for one that looks at the student's belief as a whole. */
  readonly dependsOn: readonly ActionName[];
  /** Whether it has a derivative in the student's outputs with the class held fixed and features moving with their means. */
  readonly differentiable: boolean;
  /** [B]. Pure; called on the tape for pathwise gradients, off it otherwise. */
  reward(decision: Decision): tf.Tensor1D;
}

/** A reward of a run and how much it counts. */
export interface WeightedReward {
  /** The part's name, for errors and the log. */
  name: string;
  weight: number;
  reward: DecisionReward;
}

/**
 * How rewards move the student. `score`: through the logarithm of the probability of what was sampled. `pathwise`: through the reward's own
 * derivative.
 */
export type GradientKind = 'score' | 'pathwise';

/**
 * Refuses rewards that cannot teach. Under `score`, E[R ∇ log π(a)] = R ∇ Σ_a π(a) = 0 for a reward R that no sampled action changes: its
 * score-function gradient is noise around zero. Under `pathwise`, one without a derivative has none at all.
 *
 * @throws InputError naming the reward, and what to do
 */
export function checkCombination(rewards: readonly WeightedReward[], gradient: GradientKind, path: string): void {
  if (!rewards.some(({ weight }) => weight > 0)) throw new InputError(`${path}: no reward has a weight above 0`);
  for (const { name, weight, reward } of rewards) {
    if (!(weight >= 0 && weight < Infinity)) {
      throw new InputError(`${path}: the weight of reward "${name}" must be a number from 0, not ${weight}`);
    }
    if (gradient === 'score' && reward.dependsOn.length === 0) {
      throw new InputError(`${path}: reward "${name}" teaches nothing under gradient: score`, {
        hints: [
          'it does not depend on a sampled action, so the expectation of its score-function gradient is zero',
          'set gradient: pathwise, or choose a reward of the sampled class or feature',
        ],
      });
    }
    if (gradient === 'pathwise' && !reward.differentiable) {
      throw new InputError(`${path}: reward "${name}" teaches nothing under gradient: pathwise`, {
        hints: [
          'it has no derivative in what the student gives; it changes with the class that is sampled only',
          'set gradient: score, or choose a reward with a derivative',
        ],
      });
    }
  }
}

/** A field that a reward cannot do without. @throws InputError naming the reward and the field */
export function required<K extends keyof Decision>(
  decision: Decision,
  field: K,
  path: string,
): NonNullable<Decision[K]> {
  const value = decision[field];
  if (value === undefined) {
    const lacks = { label: 'labels', teacherLogits: "a teacher's logits", centers: 'centers', assignment: 'clusters' };
    throw new InputError(`${path}: this reward needs ${(lacks as Record<string, string>)[field] ?? field}`);
  }
  return value;
}
