import { defineLoss, z } from '@retort/core';
import { checkSameActions } from './shapes.js';
import { meanSquareOfKnown } from './policy-teacher-actions.js';

/** Mean squared error of action values (Rusu et al. 2015, "Policy Distillation", eq. 2). */
export const actionValue = defineLoss({
  name: 'action-value',
  summary: "Mean squared error of the student's action values against the teacher's.",
  needs: { student: ['logits'], teacher: ['logits'] },
  options: z.strictObject({}),
  create: (_, context) => {
    checkSameActions('action-value', context, 'logits');
    return { apply: (student, teacher) => ({ perSample: meanSquareOfKnown(student.logits!, teacher!.logits!) }) };
  },
});
