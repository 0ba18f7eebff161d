import { definePart, z } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { type Decision, required } from './decision-reward.js';

/** [B] p(a) of the class that was taken. */
function probabilityTaken({ classAction }: Pick<Decision, 'classAction'>, logProbabilities: tf.Tensor2D): tf.Tensor1D {
  return tf.tidy(() =>
    logProbabilities.exp().mul(tf.oneHot(classAction, logProbabilities.shape[1])).sum<tf.Tensor1D>(1),
  );
}

/**
 * p_S(a | x) of the sampled class a. Its expected score-function gradient is Σ_a p(a) ∇p(a) = ½ ∇ Σ_a p(a)²: it sharpens whatever the
 * student believes, right or wrong.
 */
export const confidence = definePart('decision-reward', {
  name: 'confidence',
  summary: "The student's probability of the class it samples.",
  options: z.strictObject({}),
  create: () => ({
    dependsOn: ['class'],
    differentiable: true,
    reward: (decision) => probabilityTaken(decision, decision.logProbabilities),
  }),
});

/** p_S(a | x) where the sampled class a is the label, 0 elsewhere. */
export const correctGated = definePart('decision-reward', {
  name: 'correct-gated',
  summary: "The student's probability of the class it samples where that is the label, else 0.",
  options: z.strictObject({}),
  create: (_, { path }) => ({
    dependsOn: ['class'],
    differentiable: true,
    reward: (decision) =>
      tf.tidy(() => {
        const isRight = decision.classAction.equal(required(decision, 'label', path)).cast('float32');
        return probabilityTaken(decision, decision.logProbabilities).mul<tf.Tensor1D>(isRight);
      }),
  }),
});

/** p_T(a | x), what the teacher thinks of the sampled class a. */
export const teacherProbability = definePart('decision-reward', {
  name: 'teacher-probability',
  summary: "The teacher's probability of the class that the student samples. Not for gradient: pathwise.",
  options: z.strictObject({
    temperature: z.number().positive().default(1).describe("Divides the teacher's logits."),
  }),
  create: ({ temperature }, { path }) => ({
    dependsOn: ['class'],
    differentiable: false,
    reward: (decision) =>
      tf.tidy(() => {
        const logits = required(decision, 'teacherLogits', path).div<tf.Tensor2D>(temperature);
        return probabilityTaken(decision, tf.logSoftmax(logits));
      }),
  }),
});

/** −H(p_S) = Σ_c p(c) log p(c), nats. No action changes it. */
export const negativeEntropy = definePart('decision-reward', {
  name: 'negative-entropy',
  summary: "Minus the entropy of the student's belief. For gradient: pathwise only.",
  options: z.strictObject({}),
  create: () => ({
    dependsOn: [],
    differentiable: true,
    reward: ({ logProbabilities }) => tf.tidy(() => logProbabilities.exp().mul(logProbabilities).sum<tf.Tensor1D>(1)),
  }),
});

/**
 * ½ Σ_c p_S(c)²: what `confidence` does under gradient: score, exactly and without sampling. Half the expected confidence, so that its
 * gradient is the expected score-function gradient of `confidence`.
 */
export const sharpening = definePart('decision-reward', {
  name: 'sharpening',
  summary: 'The exact form of confidence: half the sum of squared probabilities. For gradient: pathwise only.',
  options: z.strictObject({}),
  create: () => ({
    dependsOn: [],
    differentiable: true,
    reward: ({ logProbabilities }) => tf.tidy(() => logProbabilities.mul(2).exp().sum<tf.Tensor1D>(1).mul(0.5)),
  }),
});
