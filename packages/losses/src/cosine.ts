import { defineLoss, type LossContext, z } from '@retort/core';
import { unitRows } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { uniformVariable } from './initialize.js';
import { incomparable, shapeOf } from './shapes.js';

/** One minus the cosine of the two embeddings. */
export const cosine = defineLoss({
  name: 'cosine',
  summary: 'One minus the cosine of student and teacher embedding.',
  needs: { student: ['embedding'], teacher: ['embedding'] },
  options: z.strictObject({
    adapter: z
      .enum(['linear', 'none'])
      .default('linear')
      .describe("linear: where sizes differ, a trained linear map takes the student's to the teacher's. none: refuse."),
  }),
  create: ({ adapter }, context) => {
    const [from] = shapeOf('cosine', context, 'student', 'embedding', ['D']);
    const [to] = shapeOf('cosine', context, 'teacher', 'embedding', ['D']);
    if (from !== to && adapter === 'none') {
      throw incomparable('cosine', context, 'embedding', 'without an adapter compares equal sizes', [
        `choose another tap, or add an adapter: ${context.path}.adapter: linear`,
      ]);
    }
    const variables = from === to ? {} : linearVariables(from, to, context);
    return {
      variables,
      apply: (student, teacher) => ({
        perSample: tf.tidy(() => cosineDistance(adapt(student.embedding!, variables), teacher!.embedding!)),
      }),
      dispose: () => tf.dispose(variables),
    };
  },
});

function linearVariables(from: number, to: number, { seeds }: LossContext): Record<string, tf.Variable> {
  const random = seeds.stream('init');
  return { kernel: uniformVariable([from, to], from, random), bias: uniformVariable([to], from, random) };
}

function adapt(embedding: tf.Tensor2D, { kernel, bias }: Record<string, tf.Variable>): tf.Tensor2D {
  return kernel ? embedding.matMul(kernel as tf.Tensor as tf.Tensor2D).add(bias) : embedding;
}

/**
 * 1 − ⟨a, b⟩ / (‖a‖ ‖b‖). A zero vector gives 1 and no gradient.
 *
 * @param a [B, D]
 * @param b [B, D]
 * @returns [B] in [0, 2]
 */
export function cosineDistance(a: tf.Tensor2D, b: tf.Tensor2D): tf.Tensor1D {
  return tf.tidy(() => tf.sub(1, unitRows(a).mul(unitRows(b)).sum(1)) as tf.Tensor1D);
}
