import { type Batch, InputError, type NetworkOutput } from '@retort/core';

/**
 * The teacher's mean embedding of each class over a pass, accumulated in float64.
 *
 * @param pass embeddings [B, D] and labels, each sample once
 * @returns [classes · D], row by row; zeros for a class without samples
 * @throws InputError where the data set gives no labels
 */
export async function classMeansOf(
  pass: AsyncIterable<{ teacher: NetworkOutput; batch: Batch }>,
  classes: number,
  size: number,
): Promise<Float32Array> {
  const sums = new Float64Array(classes * size);
  const counts = new Float64Array(classes);
  for await (const { teacher, batch } of pass) {
    const { label } = batch.targets;
    if (!label) throw new InputError('class means need labels, the data set gives none');
    const embedding = await teacher.embedding!.data();
    for (let i = 0; i < batch.size; i++) {
      const row = label.data[i] * size;
      counts[label.data[i]]++;
      for (let d = 0; d < size; d++) sums[row + d] += embedding[i * size + d];
    }
  }
  return Float32Array.from(sums, (total, at) => total / Math.max(1, counts[Math.floor(at / size)]));
}
