import { defineLoss, z } from '@retort/core';
import { checkSameActions } from './shapes.js';
import { meanSquareOfKnown } from './policy-teacher-actions.js';

/** Mean squared error of advantages: with `value` beside it, hierarchical value distillation, two heads and two objectives. */
export const advantages = defineLoss({
  name: 'advantages',
  summary: "Mean squared error of the student's advantages against the teacher's.",
  needs: { student: ['advantages'], teacher: ['advantages'] },
  options: z.strictObject({}),
  create: (_, context) => {
    checkSameActions('advantages', context, 'advantages');
    return {
      apply: (student, teacher) => ({ perSample: meanSquareOfKnown(student.advantages!, teacher!.advantages!) }),
    };
  },
});
