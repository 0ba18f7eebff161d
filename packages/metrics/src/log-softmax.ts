import { RunError } from '@retort/core';

/**
 * log softmax of one row in float64.
 *
 * @param logits row-major [B, C]
 * @param whose for the error: `the student`
 * @returns [C]
 * @throws RunError when the row holds NaN or ±∞
 */
export function logSoftmax(logits: Float32Array, row: number, classes: number, whose: string): Float64Array {
  const result = Float64Array.from(logits.subarray(row * classes, (row + 1) * classes));
  const largest = result.reduce((a, b) => Math.max(a, b), -Infinity);
  let total = 0;
  for (const value of result) total += Math.exp(value - largest);
  const logTotal = Math.log(total) + largest;
  for (let c = 0; c < classes; c++) {
    if (!Number.isFinite(result[c])) {
      throw new RunError(`${whose} gives a logit of ${result[c]} in evaluation: its probabilities are not defined`, {
        hints: [
          'top-1, top-5 and per-class-accuracy count such a sample as wrong; the other metrics need finite logits',
        ],
      });
    }
    result[c] -= logTotal;
  }
  return result;
}
