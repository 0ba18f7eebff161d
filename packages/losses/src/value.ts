import { defineLoss, InputError, z } from '@retort/core';
import { untaped } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { center } from './center.js';
import { shapeOf } from './shapes.js';

/** Squared error of state values, as they are or relative to the batch. */
export const value = defineLoss({
  name: 'value',
  summary: "Squared error of the student's state value against the teacher's.",
  needs: { student: ['value'], teacher: ['value'] },
  options: z.strictObject({
    normalize: z
      .enum(['none', 'group'])
      .default('none')
      .describe('group: centers both sides within the batch and divides them by their deviation there first.'),
    teacherGives: z
      .enum(['value', 'action-values'])
      .default('value')
      .describe(
        'action-values: the value is their maximum. With `teacher: logits`, for a teacher that has nothing else.',
      ),
  }),
  create: ({ normalize, teacherGives }, context) => {
    const [size] = shapeOf('value', context, 'student', 'value', ['1']);
    const [teacherSize] = shapeOf('value', context, 'teacher', 'value', [teacherGives === 'value' ? '1' : 'n']);
    if (size !== 1 || (teacherGives === 'value' && teacherSize !== 1)) {
      const whose = size !== 1 ? 'the student' : `teacher "${context.teacherId}"`;
      throw new InputError(
        `${context.path}: ${whose} gives "value" as [B, ${size !== 1 ? size : teacherSize}], loss "value" needs [B, 1]`,
        { hints: ['teacherGives: action-values takes the maximum of what the teacher gives'] },
      );
    }
    const prepared = normalize === 'group' ? groupRelative : (values: tf.Tensor2D) => values;
    return {
      apply: (student, teacher) => ({
        perSample: tf.tidy(() => {
          const target = untaped(() => {
            const given = teacher!.value!;
            return prepared(teacherGives === 'value' ? given : given.max<tf.Tensor2D>(1, true));
          });
          return prepared(student.value!).sub(target).square().squeeze<tf.Tensor1D>([1]);
        }),
      }),
    };
  },
});

/**
 * (v_i − mean v) / deviation v over the batch: the group relative value. The deviation divides by B.
 *
 * @param values [B, 1]
 * @returns [B, 1]; equal values give zeros and no gradient
 */
export function groupRelative(values: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => {
    const centered = center(values, 0);
    return centered.div(centered.square().mean(0, true).maximum(1e-24).sqrt());
  });
}
