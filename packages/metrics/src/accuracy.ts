import { definePart, InputError, type Metric, type MetricContext, z } from '@retort/core';
import { given } from './given.js';
import { mean } from './mean.js';

/** Share of samples whose label has the largest logit. */
export const top1 = definePart('metric', {
  name: 'top-1',
  summary: 'Share of samples whose label has the largest logit.',
  options: z.strictObject({}),
  create: (_options, context) => topK('top-1', 1, context),
});

/** Share of samples whose label is among the five largest logits. */
export const top5 = definePart('metric', {
  name: 'top-5',
  summary: 'Share of samples whose label is among the five largest logits.',
  options: z.strictObject({}),
  create: (_options, context) => topK('top-5', 5, context),
});

/**
 * Of equal logits the class that comes first counts as larger. A sample with a NaN logit counts as wrong; one without a label (−1) does
 * not count.
 *
 * @throws InputError when there are fewer than k classes
 */
function topK(name: string, k: number, { classes, path }: MetricContext): Metric {
  if (classes.length < k) {
    throw new InputError(`${path}: metric "${name}" needs at least ${k} classes, the data set has ${classes.length}`, {
      hints: ['every answer would count as right; take top-1'],
    });
  }
  let [correct, count] = [0, 0];
  return {
    update(batch) {
      const { size, logits, label } = given(batch, ['logits', 'label'], name);
      for (let i = 0; i < size; i++) {
        if (label[i] < 0) continue;
        if (labelRank(logits, i, classes.length, label[i]) < k) correct++;
        count++;
      }
    },
    result: () => ({ [name]: mean(correct, count, name, 'labeled sample') }),
  };
}

/**
 * How many classes stand before the label when sorted by logit, equal ones in class order; Infinity with a NaN in the row.
 *
 * @param logits row-major [B, C]
 */
export function labelRank(logits: Float32Array, row: number, classes: number, label: number): number {
  const own = logits[row * classes + label];
  let rank = 0;
  for (let c = 0; c < classes; c++) {
    const other = logits[row * classes + c];
    if (Number.isNaN(other)) return Infinity;
    if (other > own || (other === own && c < label)) rank++;
  }
  return rank;
}
