import { definePart, z } from '@retort/core';
import { given } from './given.js';
import { mean } from './mean.js';
import { predictedClass } from './predicted-class.js';

/**
 * Accuracy of each class [C], and how often each true class (row) was taken for which (column) [C][C]. A class without
 * samples has accuracy 0 and an empty row, and does not count in the mean over classes. A sample with a NaN logit counts as wrong
 * and stands in no column; one without a label (−1) does not count.
 */
export const perClassAccuracy = definePart('metric', {
  name: 'per-class-accuracy',
  summary: 'Accuracy of each class, their mean, and the confusion matrix.',
  options: z.strictObject({}),
  create: (_options, { classes }) => {
    const counts = classes.map(() => 0);
    const confusion = classes.map(() => classes.map(() => 0));
    return {
      update(batch) {
        const { size, logits, label } = given(batch, ['logits', 'label'], 'per-class-accuracy');
        for (let i = 0; i < size; i++) {
          if (label[i] < 0) continue;
          counts[label[i]]++;
          const predicted = predictedClass(logits, i, classes.length);
          if (predicted >= 0) confusion[label[i]][predicted]++;
        }
      },
      result() {
        const accuracy = counts.map((count, c) => (count === 0 ? 0 : confusion[c][c] / count));
        const seen = counts.filter((count) => count > 0).length;
        const total = accuracy.reduce((a, b) => a + b, 0);
        return {
          'mean-class-accuracy': mean(total, seen, 'per-class-accuracy', 'labeled sample'),
          'per-class-accuracy': accuracy,
          confusion: confusion.map((row) => row.slice()),
        };
      },
    };
  },
});
