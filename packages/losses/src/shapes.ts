import { InputError, type LossContext } from '@retort/core';

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
