import type { LossTerm, Student } from '@retort/core';
import type * as tf from '@tensorflow/tfjs';
import { namedWeights, type NamedWeights } from './named-weights.js';

/**
 * What a step moves, and what else a forward pass may assign: weights of the student by `student/…`, and those of the losses'
 * adapters by `losses/TERM/TEACHER/…`, `losses/TERM/task/…` for a loss without teachers.
 */
export function trainableParameters(
  student: Pick<Student, 'model'>,
  terms: readonly LossTerm[],
  teacherIds: readonly string[],
): NamedWeights {
  const weights = namedWeights(student.model);
  const prefixed = (prefix: string, variables: Record<string, tf.Variable> = {}) =>
    Object.entries(variables).map(([key, variable]) => [`${prefix}/${key}`, variable] as const);
  const ofLosses = (which: 'variables' | 'state') =>
    terms.flatMap(({ id, losses, head }) =>
      losses.flatMap(({ loss }, m) => prefixed(`losses/${id}/${head ? teacherIds[m] : 'task'}`, loss[which])),
    );
  return {
    trainable: Object.fromEntries([...prefixed('student', weights.trainable), ...ofLosses('variables')]),
    frozen: Object.fromEntries([...prefixed('student', weights.frozen), ...ofLosses('state')]),
  };
}
