import { definePart, InputError, RunError, z } from '@retort/core';
import { given } from './given.js';
import { logSoftmax } from './log-softmax.js';

/**
 * How faithfully the student follows each teacher (Stanton et al. 2021, §3): `agreement/ID`, the share of samples on which
 * both predict the same class, and `fidelity-kl/ID`, the mean KL divergence from teacher to student in nats, at temperature 1.
 * Taken over the batches on which teachers were run; a teacher that was never run has no entry.
 */
export const agreement = definePart('metric', {
  name: 'agreement',
  summary: 'How often the student predicts what each teacher predicts, and the KL divergence between them.',
  options: z.strictObject({}),
  needs: { teacher: ['logits'] },
  create: (_options, { classes, teachers, path }) => {
    if (teachers.length === 0) {
      throw new InputError(`${path}: metric "agreement" compares with teachers, the manifest has none`);
    }
    const sums = new Map<string, { same: number; divergence: number; count: number }>();
    return {
      update(batch) {
        const { size, logits, teacherLogits = {} } = given(batch, ['logits'], 'agreement');
        for (const [id, ofTeacher] of Object.entries(teacherLogits)) {
          if (ofTeacher.length !== logits.length) {
            throw new RunError(
              `teacher "${id}" gives ${ofTeacher.length / size} logits per sample, the student ${logits.length / size}`,
            );
          }
          const sum = sums.get(id) ?? { same: 0, divergence: 0, count: 0 };
          sums.set(id, sum);
          for (let i = 0; i < size; i++) {
            const student = logSoftmax(logits, i, classes.length, 'the student');
            const teacher = logSoftmax(ofTeacher, i, classes.length, `teacher "${id}"`);
            if (firstLargest(student) === firstLargest(teacher)) sum.same++;
            sum.divergence += klDivergence(teacher, student);
          }
          sum.count += size;
        }
      },
      result: () =>
        Object.fromEntries(
          [...sums].flatMap(([id, { same, divergence, count }]) => [
            [`agreement/${id}`, same / count],
            [`fidelity-kl/${id}`, divergence / count],
          ]),
        ),
    };
  },
});

/** Σ_c p(c) · (log p(c) − log q(c)), in nats, of two log-distributions [C]. */
export function klDivergence(logP: Float64Array, logQ: Float64Array): number {
  return logP.reduce((sum, value, c) => sum + Math.exp(value) * (value - logQ[c]), 0);
}

function firstLargest(values: Float64Array): number {
  return values.indexOf(values.reduce((a, b) => Math.max(a, b)));
}
