import { type Batch, defineLoss, InputError, type LossContext, type NetworkOutput, z } from '@retort/core';
import { unitRows, untaped } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { classMeansOf } from './class-means.js';
import { createEmbeddingAdapter } from './embedding-adapter.js';
import { isLabeled } from './labels.js';
import { mixedLabels, noLabels, plainLabelsOf, shapeOf } from './shapes.js';

/**
 * Points the student's embedding at the teacher's mean of the label's class and asks it to be as long as the teacher's (Wang et al.
 * 2023, "Improving Knowledge Distillation via Regularizing Feature Norm and Direction": the ND of KD++ and DIST++).
 *
 * The class means come from `fit`: one pass over the train split with the teacher's embeddings, before training. They are state
 * kept in checkpoints, so a resumed run needs no second pass.
 *
 * Where sizes differ the student's embedding goes through batch normalization and a linear map. The published code has dropout of
 * one half between them; it is left out, for a loss is given no random numbers.
 *
 * A sample without a label has no part in the class means, and its value is 0.
 */
export const normDirection = defineLoss({
  name: 'nd',
  summary: "Student embeddings along the teacher's class means and as long as the teacher's.",
  needs: { student: ['embedding'], teacher: ['embedding'] },
  options: z.strictObject({
    norm: z
      .boolean()
      .default(true)
      .describe('Ask for length as well as direction. Off: one minus the cosine to the class mean.'),
  }),
  create: ({ norm }, context) => {
    const [from] = shapeOf('nd', context, 'student', 'embedding', ['D']);
    const [to] = shapeOf('nd', context, 'teacher', 'embedding', ['D']);
    if (!context.classes) {
      throw new InputError(`${context.path}: loss "nd" needs the data set's classes, this trainer names none`);
    }
    const classes = context.classes.length;
    // Not a number until `fit` or a checkpoint fills them: a trainer that does neither is stopped by the first loss.
    const classMeans = tf.tidy(() => tf.variable(tf.fill([classes, to], NaN), false));
    const adapter = from === to ? undefined : createEmbeddingAdapter(from, to, context.seeds.stream('init'));
    return {
      variables: adapter?.variables,
      state: { classMeans, ...adapter?.state },
      fit: async (pass) => {
        const means = await classMeansOf(labeledEmbeddings(pass, context), classes, to);
        tf.tidy(() => classMeans.assign(tf.tensor2d(means, [classes, to])));
      },
      apply: (student, teacher, batch, mode) => {
        const label = plainLabelsOf('nd', context, batch);
        return {
          perSample: tf.tidy(() => {
            const embedding = adapter ? adapter.apply(student.embedding!, mode) : student.embedding!;
            const direction = untaped(() =>
              // A row out of range is an error on some backends and an arbitrary one on others.
              unitRows(tf.gather(classMeans as tf.Tensor as tf.Tensor2D, label.maximum(tf.scalar(0, 'int32')))),
            );
            return normDirectionDistance(embedding, norm ? teacher!.embedding! : undefined, direction).mul(
              isLabeled(label),
            );
          }),
        };
      },
      dispose: () => {
        tf.dispose(classMeans);
        adapter?.dispose();
      },
    };
  },
});

async function* labeledEmbeddings(pass: AsyncIterable<{ teacher: NetworkOutput; batch: Batch }>, context: LossContext) {
  for await (const { teacher, batch } of pass) {
    const { label, otherLabel } = batch.targets;
    if (!label) throw noLabels('nd', context);
    if (otherLabel) throw mixedLabels('nd', context);
    yield { embedding: await teacher.embedding!.data(), label: label.data };
  }
}

/**
 * 1 − ⟨f_S, e⟩ / max(‖f_S‖, ‖f_T‖) (Wang et al. 2023, the ND loss): a student shorter than the teacher gains by growing along e, a
 * longer one by turning towards it. Without a teacher the divisor is ‖f_S‖ alone, and only direction counts.
 *
 * @param student [B, D]; gradients flow here only
 * @param teacher [B, D]
 * @param direction [B, D], unit vectors: the teacher's mean embedding of each label's class
 * @returns [B] in [0, 2]; 1, without gradient, where both embeddings or the direction are zero
 */
export function normDirectionDistance(
  student: tf.Tensor2D,
  teacher: tf.Tensor2D | undefined,
  direction: tf.Tensor2D,
): tf.Tensor1D {
  return tf.tidy(() => {
    const tiny = 1e-16;
    const squared = student.square().sum(1);
    const longer = teacher ? squared.maximum(untaped(() => teacher.square().sum(1))) : squared;
    const exists = untaped(() => longer.greater(tiny).cast('float32'));
    const along = student.mul(direction).sum(1);
    return tf.sub(1, along.mul(exists.div(longer.maximum(tiny).sqrt()))) as tf.Tensor1D;
  });
}
