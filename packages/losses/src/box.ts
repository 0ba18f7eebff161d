import { defineLoss, InputError, z } from '@retort/core';
import { untaped } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { shapeOf } from './shapes.js';

/**
 * The box a student gives against the true one: the distance of their sides, and how little they overlap (Rezatofighi et al. 2019,
 * "Generalized Intersection over Union"; the sum is that of Carion et al. 2020, DETR, eq. 9).
 */
export const box = defineLoss({
  name: 'box',
  summary: "L1 distance of the student's box and the true one, and one minus their generalized IoU.",
  needs: { student: ['boxes'] },
  options: z.strictObject({
    distance: z
      .number()
      .nonnegative()
      .default(1)
      .describe('Weight of the L1 distance, summed over the four sides. DETR: 5.'),
    overlap: z
      .number()
      .nonnegative()
      .default(1)
      .describe('Weight of one minus the generalized intersection over union. DETR: 2.'),
  }),
  create: ({ distance, overlap }, context) => {
    const [sides] = shapeOf('box', context, 'student', 'boxes', ['4']);
    if (sides !== 4) {
      throw new InputError(`${context.path}: the student gives "boxes" as [B, ${sides}], loss "box" needs [B, 4]`);
    }
    return {
      apply: (student, _teacher, batch) => {
        if (!batch.box) throw new InputError(`${context.path}: loss "box" needs boxes, the data set gives none`);
        const [given, actual] = [student.boxes!, batch.box];
        return {
          perSample: tf.tidy(() => {
            const apart = given.sub(actual).abs().sum<tf.Tensor1D>(1).mul<tf.Tensor1D>(distance);
            return apart.add(tf.sub(1, generalizedIou(given, actual)).mul(overlap));
          }),
        };
      },
    };
  },
});

/**
 * |A ∩ B| / |A ∪ B| − (|H| − |A ∪ B|) / |H|, with H the smallest box around both (Rezatofighi et al. 2019, algorithm 1). A box whose
 * right is not beyond its left, or bottom beyond its top, has no area; H reaches to its sides all the same, and draws them in.
 *
 * @param given [B, 4]: left, top, right, bottom; gradients flow here only
 * @param actual [B, 4]
 * @returns [B] in [−1, 1]; 1 where the boxes are the same, 0 where both are one point
 */
export function generalizedIou(given: tf.Tensor2D, actual: tf.Tensor2D): tf.Tensor1D {
  return tf.tidy(() => {
    const corner = (boxes: tf.Tensor2D, first: 0 | 2) => boxes.slice([0, first], [-1, 2]);
    const area = (from: tf.Tensor2D, to: tf.Tensor2D) => {
      const [width, height] = tf.unstack(to.sub(from).relu(), 1);
      return width.mul(height);
    };
    const [low, high] = [corner(given, 0), corner(given, 2)];
    const [trueLow, trueHigh, trueArea] = untaped(() => {
      const [from, to] = [corner(actual, 0), corner(actual, 2)];
      return [from, to, area(from, to)];
    });
    const both = area(tf.maximum(low, trueLow), tf.minimum(high, trueHigh));
    const either = area(low, high).add(trueArea).sub(both);
    const around = area(tf.minimum(tf.minimum(low, high), trueLow), tf.maximum(tf.maximum(low, high), trueHigh));
    // Two empty boxes have no area to divide by.
    const tiny = 1e-12;
    return both.div(either.maximum(tiny)).sub(around.sub(either).div(around.maximum(tiny))) as tf.Tensor1D;
  });
}
