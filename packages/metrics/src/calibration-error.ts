import { definePart, z } from '@retort/core';
import { given } from './given.js';
import { logSoftmax } from './log-softmax.js';
import { mean } from './mean.js';

/**
 * Expected calibration error, Σ_b |B_b| / n · |accuracy(B_b) − confidence(B_b)| over bins ((b − 1) / bins, b / bins] of the
 * largest probability (Guo et al. 2017, eq. 3), and the mean negative log-likelihood of the labels, in nats, as `nll`.
 * Samples without a label (−1) do not count.
 */
export const calibrationError = definePart('metric', {
  name: 'calibration-error',
  summary: 'Expected calibration error of the predicted class, and the negative log-likelihood.',
  options: z.strictObject({
    bins: z.int().positive().default(15).describe('Bins of equal width over the confidence.'),
  }),
  create: ({ bins }, { classes }) => {
    const confidence = new Float64Array(bins);
    const correct = new Float64Array(bins);
    let [logLikelihood, count] = [0, 0];
    return {
      update(batch) {
        const { size, logits, label } = given(batch, ['logits', 'label'], 'calibration-error');
        for (let i = 0; i < size; i++) {
          if (label[i] < 0) continue;
          const logProbability = logSoftmax(logits, i, classes.length, 'the student');
          const largest = logProbability.reduce((a, b) => Math.max(a, b));
          const probability = Math.exp(largest);
          const bin = Math.min(bins, Math.max(1, Math.ceil(probability * bins))) - 1;
          confidence[bin] += probability;
          if (logProbability.indexOf(largest) === label[i]) correct[bin]++;
          logLikelihood += logProbability[label[i]];
          count++;
        }
      },
      result() {
        const gap = confidence.reduce((sum, value, b) => sum + Math.abs(correct[b] - value), 0);
        return {
          'calibration-error': mean(gap, count, 'calibration-error', 'labeled sample'),
          nll: mean(-logLikelihood, count, 'calibration-error', 'labeled sample'),
        };
      },
    };
  },
});
