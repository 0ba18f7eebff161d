/**
 * The teacher's mean embedding of each class over a pass, accumulated in float64.
 *
 * @param pass embeddings [B, D] with their labels [B], each sample once; a label of −1, unknown, is left out
 * @returns [classes · D], row by row; zeros for a class without samples
 */
export async function classMeansOf(
  pass: AsyncIterable<{ embedding: ArrayLike<number>; label: ArrayLike<number> }>,
  classes: number,
  size: number,
): Promise<Float32Array> {
  const sums = new Float64Array(classes * size);
  const counts = new Float64Array(classes);
  for await (const { embedding, label } of pass) {
    for (let i = 0; i < label.length; i++) {
      if (label[i] < 0) continue;
      counts[label[i]]++;
      for (let d = 0; d < size; d++) sums[label[i] * size + d] += embedding[i * size + d];
    }
  }
  return Float32Array.from(sums, (total, at) => total / Math.max(1, counts[Math.floor(at / size)]));
}
