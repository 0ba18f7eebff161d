import { type BatchTensors, InputError, type LossContext } from '@retort/core';
import type { Tensor1D } from '@tensorflow/tfjs';

/**
 * The shape of an output that a loss reads, batch axis left out.
 *
 * @param axes names of the axes it must have: `['C']`, `['H', 'W', 'K']`
 * @throws InputError naming the loss's place, whose output it is and its shape
 */
export function shapeOf(
  loss: string,
  context: LossContext,
  whose: 'student' | 'teacher',
  output: string,
  axes: string[],
): number[] {
  const shape = context[whose]?.[output];
  if (shape?.length === axes.length) return shape;
  const needed = `loss "${loss}" needs [B, ${axes.join(', ')}]`;
  throw new InputError(
    shape
      ? `${context.path}: ${nameOf(whose, context)} gives "${output}" as ${text(shape)}, ${needed}`
      : `${context.path}: ${nameOf(whose, context)} gives no "${output}", ${needed}`,
    { hints: [offers(whose, context), `name another output: ${context.path}.${whose}`] },
  );
}

/**
 * Both logits must be [B, C] of the same classes.
 *
 * @throws InputError naming both shapes
 */
export function checkSameClasses(loss: string, context: LossContext): void {
  const [classes] = shapeOf(loss, context, 'student', 'logits', ['C']);
  const [teacherClasses] = shapeOf(loss, context, 'teacher', 'logits', ['C']);
  if (classes !== teacherClasses) {
    throw incomparable(loss, context, 'logits', 'compares the same classes', [
      "map the teacher's classes onto the data set's, or leave the teacher out of this loss",
    ]);
  }
}

/**
 * Both networks must give an output as [B, n] of the same actions.
 *
 * @throws InputError naming both shapes
 */
export function checkSameActions(loss: string, context: LossContext, output: string): void {
  const [actions] = shapeOf(loss, context, 'student', output, ['n']);
  const [teacherActions] = shapeOf(loss, context, 'teacher', output, ['n']);
  if (actions !== teacherActions) {
    throw incomparable(loss, context, output, 'compares the same actions', [
      'take a teacher that acts in the same environment',
    ]);
  }
}

/**
 * The labels [B] of a batch, −1 where one is unknown.
 *
 * @throws InputError where the data set gives none
 */
export function labelsOf(loss: string, context: LossContext, { label }: BatchTensors): Tensor1D {
  if (!label) throw noLabels(loss, context);
  return label;
}

/**
 * The labels [B] of a batch, for a loss that has no meaning for mixed images.
 *
 * @throws InputError where the data set gives none, or mixes images
 */
export function plainLabelsOf(loss: string, context: LossContext, batch: BatchTensors): Tensor1D {
  if (batch.otherLabel) throw mixedLabels(loss, context);
  return labelsOf(loss, context, batch);
}

/** An error about a data set that mixes images. */
export function mixedLabels(loss: string, { path }: LossContext): InputError {
  return new InputError(`${path}: loss "${loss}" needs one label an image, and the data set mixes images`, {
    hints: ['take mixup and cut-mix out of dataset.augment, or take kd'],
  });
}

/** An error about a data set without labels. */
export function noLabels(loss: string, { path }: LossContext): InputError {
  return new InputError(`${path}: loss "${loss}" needs labels, the data set gives none`);
}

/** An error about two outputs that cannot be compared. */
export function incomparable(
  loss: string,
  context: LossContext,
  output: string,
  because: string,
  remedies: string[],
): InputError {
  const [student, teacher] = [context.student[output], context.teacher![output]];
  return new InputError(
    `${context.path}: ${nameOf('teacher', context)} gives "${output}" as ${text(teacher)}, ` +
      `the student as ${text(student)}; loss "${loss}" ${because}`,
    { hints: [offers('student', context), offers('teacher', context), ...remedies] },
  );
}

function nameOf(whose: 'student' | 'teacher', { teacherId }: LossContext): string {
  return whose === 'student' ? 'the student' : teacherId === undefined ? 'the teacher' : `teacher "${teacherId}"`;
}

function offers(whose: 'student' | 'teacher', context: LossContext): string {
  const shapes = Object.entries(context[whose] ?? {}).map(([name, shape]) => `${name} ${text(shape)}`);
  return `${nameOf(whose, context)} offers: ${shapes.join(', ') || 'nothing'}`;
}

function text(shape: number[]): string {
  return `[${['B', ...shape].join(', ')}]`;
}
