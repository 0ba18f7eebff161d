import { definePart, InputError, nearestHint, partReference, sha256, z } from '@retort/core';
import * as tf from '@tensorflow/tfjs';

/**
 * A teacher that knows some of the classes only, as one that was never shown the others: their logits are the least of the known
 * ones, so an image of an unknown class is taken for a known one, with confidence. To study which methods notice.
 */
export const specialistTeacher = definePart('teacher', {
  name: 'specialist',
  summary: 'another teacher, made to know some of the classes only, to study which methods notice',
  options: z.strictObject({
    of: partReference('teacher').describe('The teacher to restrict.'),
    knows: z.array(z.string()).min(2).describe("Names of the data set's classes that it knows."),
  }),
  create: async ({ of, knows }, context) => {
    const unknown = knows.find((name) => !context.classes.includes(name));
    if (unknown !== undefined) {
      throw new InputError(`${context.path}.knows: the data set has no class "${unknown}"`, {
        hints: [nearestHint(unknown, context.classes)],
      });
    }
    const teacher = await context.scope.create(of, context);
    const { classifier: _, fingerprint, summary, ...described } = teacher.describe();
    const isKnown = context.classes.map((name) => knows.includes(name));
    return {
      id: context.id,
      describe: () => ({
        ...described,
        fingerprint: sha256(`specialist ${isKnown.map(Number).join('')} ${fingerprint}`),
        summary: `${summary}, of ${isKnown.filter(Boolean).length} of ${isKnown.length} classes`,
      }),
      infer: async (batch) => {
        const { logits, ...others } = await teacher.infer(batch);
        const restricted = tf.tidy(() => {
          const known = tf.tensor1d(isKnown, 'bool');
          const least = tf.where(known, logits!, tf.fill(logits!.shape, Infinity)).min(1, true);
          return tf.where(known, logits!, least) as tf.Tensor2D;
        });
        logits!.dispose();
        return { logits: restricted, ...others };
      },
      dispose: () => undefined, // the scope that made the teacher disposes it
    };
  },
});
