/**
 * The class with the largest logit of one row; of equal ones the first. −1 when the row holds a NaN, which equals no label.
 *
 * @param logits row-major [B, C]
 */
export function predictedClass(logits: Float32Array, row: number, classes: number): number {
  let best = row * classes;
  for (let i = row * classes; i < (row + 1) * classes; i++) {
    if (Number.isNaN(logits[i])) return -1;
    if (logits[i] > logits[best]) best = i;
  }
  return best - row * classes;
}
