import { definePart, z } from '@retort/core';
import { predictedClass } from './predicted-class.js';

/**
 * Accuracy of each class [C], and how often each true class (row) was taken for which (column) [C][C]. A class without
 * samples has accuracy 0 and an empty row. A sample with a NaN logit counts as wrong and stands in no column.
 */
export const perClassAccuracy = definePart('metric', {
  name: 'per-class-accuracy',
  summary: 'Accuracy of each class, and the confusion matrix.',
  options: z.strictObject({}),
  create: (_options, { classes }) => {
    const counts = classes.map(() => 0);
    const confusion = classes.map(() => classes.map(() => 0));
    return {
      update({ size, logits, label }) {
        for (let i = 0; i < size; i++) {
          counts[label[i]]++;
          const predicted = predictedClass(logits, i, classes.length);
          if (predicted >= 0) confusion[label[i]][predicted]++;
        }
      },
      result: () => ({
        'per-class-accuracy': counts.map((count, c) => (count === 0 ? 0 : confusion[c][c] / count)),
        confusion: confusion.map((row) => row.slice()),
      }),
    };
  },
});
