import { type DistillationView, InputError, type OutputShapes, z } from '@retort/core';
import * as tf from '@tensorflow/tfjs';

const components = ['similarity', 'distillation-loss', 'cross-entropy', 'embedding', 'logits'] as const;
export type StateComponent = (typeof components)[number];

/** The groups that MTKD-RL's ablation of the state compares. */
const groups = {
  all: components,
  'teacher-performance': ['cross-entropy', 'embedding', 'logits'],
  'teacher-student-gaps': ['similarity', 'distillation-loss'],
} as const satisfies Record<string, readonly StateComponent[]>;

export const stateOption = z
  .union([z.enum(['all', 'teacher-performance', 'teacher-student-gaps']), z.array(z.enum(components)).min(1)])
  .default('all')
  .describe(
    'What the agent sees of each teacher (MTKD-RL, eq. 1-5): a list of similarity, distillation-loss, cross-entropy, embedding, ' +
      'logits, or a group of them. teacher-performance: cross-entropy, embedding, logits. teacher-student-gaps: similarity, ' +
      'distillation-loss.',
  );

/** The components of an option's value that there are. @throws InputError when none is left */
export function stateComponents(
  option: z.output<typeof stateOption>,
  hasSimilarity: boolean,
  path: string,
): readonly StateComponent[] {
  const named = typeof option === 'string' ? groups[option] : option;
  const present = named.filter((name) => hasSimilarity || name !== 'similarity');
  if (present.length === 0) {
    throw new InputError(`${path}: the agent would see nothing: similarity takes a feature loss with an adapter`, {
      hints: ['add a loss such as fitnet on the last feature map, or another component'],
    });
  }
  return present;
}

/** Numbers of the state that tell of each teacher. */
export function stateSizes(
  names: readonly StateComponent[],
  teachers: readonly { provides: OutputShapes }[],
  classes: number,
): number[] {
  return teachers.map(({ provides }) =>
    names.reduce((sum, name) => {
      if (name === 'logits') return sum + classes;
      return sum + (name === 'embedding' ? (provides.embedding?.[0] ?? 0) : 1);
    }, 0),
  );
}

/**
 * What the agent sees (MTKD-RL eq. 1-5, in the order of its code): per teacher
 * [cosine (1) | distillation loss (1) | cross-entropy (1) | embedding (D_m) | logits (C)], teachers side by side.
 *
 * @returns [B, S]
 */
export function stateOf(view: DistillationView, names: readonly StateComponent[]): tf.Tensor2D {
  const column = (matrix: tf.Tensor2D, m: number) => matrix.slice([0, m], [-1, 1]);
  const parts = view.teachers.flatMap((teacher, m) =>
    names.flatMap((name): tf.Tensor2D[] => {
      if (name === 'similarity') return view.similarity ? [column(view.similarity, m)] : [];
      if (name === 'distillation-loss') return [column(view.logitLoss, m)];
      if (name === 'cross-entropy') return [column(view.teacherCrossEntropy, m)];
      const output = name === 'embedding' ? teacher.embedding : teacher.logits;
      return output ? [output] : [];
    }),
  );
  return tf.concat(parts, 1);
}
