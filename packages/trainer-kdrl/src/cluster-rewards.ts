import { definePart, InputError, z } from '@retort/core';
import { unitRows } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { type Decision, type DecisionReward, required } from './decision-reward.js';

/** [B, D]: each sample's own center. */
function ownCenters(decision: Decision, path: string): tf.Tensor2D {
  return tf.gather(required(decision, 'centers', path), required(decision, 'assignment', path));
}

/** A reward of the sampled features: the mean over taps of a number per sample. */
function meanOverTaps(path: string, of: (feature: tf.Tensor2D, decision: Decision) => tf.Tensor1D): DecisionReward {
  return {
    dependsOn: ['feature'],
    differentiable: true,
    reward: (decision) =>
      tf.tidy(() => {
        if (decision.featureActions.length === 0) {
          throw new InputError(`${path}: this reward needs auxiliary taps`, {
            hints: [
              'they lie on the student where there is a teacher that gives an embedding',
              'list rewards of classes alone, or set stage2.epochs to 0 for distillation without rewards',
            ],
          });
        }
        const taps = decision.featureActions.map((feature) => of(feature, decision));
        return tf.addN(taps).div<tf.Tensor1D>(taps.length);
      }),
  };
}

/** cos(u, c_k*) with the center of the teacher's own cluster k*. */
export const clusterCosine = definePart('decision-reward', {
  name: 'cluster-cosine',
  summary: "Cosine of the student's feature and the center of the teacher's cluster.",
  options: z.strictObject({}),
  create: (_, { path }) =>
    meanOverTaps(path, (feature, decision) => unitRows(feature).mul(ownCenters(decision, path)).sum<tf.Tensor1D>(1)),
});

/** −‖u − c_k*‖². */
export const clusterNegativeL2 = definePart('decision-reward', {
  name: 'cluster-negative-l2',
  summary: "Minus the squared distance of the student's feature to the center of the teacher's cluster.",
  options: z.strictObject({}),
  create: (_, { path }) =>
    meanOverTaps(path, (feature, decision) =>
      feature.sub(ownCenters(decision, path)).square().sum<tf.Tensor1D>(1).neg(),
    ),
});

/** softmax over k of cos(u, c_k) / temperature, at k*. */
export const clusterSoftAssignment = definePart('decision-reward', {
  name: 'cluster-soft-assignment',
  summary: "How surely the student's feature belongs to the teacher's cluster and to no other.",
  options: z.strictObject({
    temperature: z.number().positive().default(0.1).describe('Divides the cosines; lower tells clusters apart harder.'),
  }),
  create: ({ temperature }, { path }) =>
    meanOverTaps(path, (feature, decision) => {
      const logits = cosines(feature, required(decision, 'centers', path)).div<tf.Tensor2D>(temperature);
      // A comparison, since tf.oneHot refuses a single cluster.
      const own = required(decision, 'assignment', path)
        .expandDims(1)
        .equal(tf.range(0, logits.shape[1], 1, 'int32'));
      return tf.softmax(logits).mul(own.cast('float32')).sum<tf.Tensor1D>(1);
    }),
});

/** max over k of cos(u, c_k). It knows nothing of the teacher's choice, so the student may settle in a wrong cluster. */
export const clusterNearest = definePart('decision-reward', {
  name: 'cluster-nearest',
  summary: "Cosine of the student's feature and the nearest center, whosever it is; can collapse.",
  options: z.strictObject({}),
  create: (_, { path }) =>
    meanOverTaps(path, (feature, decision) =>
      cosines(feature, required(decision, 'centers', path)).max<tf.Tensor1D>(1),
    ),
});

/** [B, K]. */
function cosines(feature: tf.Tensor2D, centers: tf.Tensor2D): tf.Tensor2D {
  return tf.matMul(unitRows(feature), centers, false, true);
}
