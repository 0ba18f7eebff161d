import { InputError } from '@retort/core';

/** Embeddings that are read piece by piece, so that no more than a piece of them is in memory. */
export interface EmbeddingSource {
  /** N. */
  readonly count: number;
  /** D. */
  readonly size: number;
  /** What error messages call them: a file, a teacher. */
  readonly name: string;
  /** Rows start … end − 1, [end − start, D] in row order. The caller may keep and change the array. */
  read(start: number, end: number): Promise<Float32Array>;
}

/** Embeddings that are in memory anyway. @param values [N, D] in row order */
export function embeddingsInMemory(values: Float32Array, size: number, name = 'embeddings'): EmbeddingSource {
  return {
    count: values.length / size,
    size,
    name,
    read: (start, end) => Promise.resolve(values.slice(start * size, end * size)),
  };
}

/**
 * Rows start … end − 1, each divided by its length.
 *
 * @throws InputError naming the first row that is not finite, or zero and thus without a direction
 */
export async function readUnitRows(source: EmbeddingSource, start: number, end: number): Promise<Float32Array> {
  const { size, name } = source;
  const rows = await source.read(start, end);
  for (let from = 0; from < rows.length; from += size) {
    let square = 0;
    for (let d = from; d < from + size; d++) square += rows[d] * rows[d];
    if (!(square > 0 && square < Infinity)) {
      const what = square === 0 ? 'is zero: it has no direction' : 'is not finite';
      throw new InputError(`${name}: embedding ${start + from / size} ${what}`, {
        hints: ['embeddings are counted from 0; look at what the teacher gives for this image'],
      });
    }
    const scale = 1 / Math.sqrt(square);
    for (let d = from; d < from + size; d++) rows[d] *= scale;
  }
  return rows;
}

/** Single rows as {@link readUnitRows} reads them, neighbors at once. @param rows ascending row numbers, repeats allowed */
export async function readUnitRowsAt(source: EmbeddingSource, rows: ArrayLike<number>): Promise<Float32Array> {
  const { size } = source;
  const found = new Float32Array(rows.length * size);
  for (let i = 0; i < rows.length;) {
    let next = i + 1;
    while (next < rows.length && rows[next] <= rows[next - 1] + 1) next++;
    const run = await readUnitRows(source, rows[i], rows[next - 1] + 1);
    for (let j = i; j < next; j++) {
      const at = (rows[j] - rows[i]) * size;
      found.set(run.subarray(at, at + size), j * size);
    }
    i = next;
  }
  return found;
}
