import { definePart, z } from '@retort/core';
import { given } from './given.js';
import { logSoftmax } from './log-softmax.js';
import { mean } from './mean.js';

/**
 * Mean over samples of −Σ_c p(c) · log p(c), p = softmax of the logits, in nats: how unsure the student is, right or wrong. From 0, sure
 * of everything, to log C, sure of nothing. Labels are not read.
 */
export const entropy = definePart('metric', {
  name: 'entropy',
  summary: "Mean entropy of the student's predictions.",
  options: z.strictObject({}),
  create: () => {
    let [total, count] = [0, 0];
    return {
      update(batch) {
        const { size, logits } = given(batch, ['logits'], 'entropy');
        for (let i = 0; i < size; i++) {
          // Logits over texts are of another number of columns than there are classes.
          const logProbability = logSoftmax(logits, i, logits.length / size, 'the student');
          for (const value of logProbability) total -= Math.exp(value) * value;
        }
        count += size;
      },
      result: () => ({ entropy: mean(total, count, 'entropy') }),
    };
  },
});
