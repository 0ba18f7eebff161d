import type { Batch, DatasetSequences, HostTensor } from '@retort/core';

/** R prompts in host memory, their answers taken out. */
export interface Prompts {
  /** [R, N] int32, padded. */
  tokens: HostTensor;
  /** [R] place of the answer's first token. */
  start: Int32Array;
  /** [R] number of the sample that a row comes from. */
  index: Int32Array;
}

/** The prompts of a batch, each `times` times, side by side. */
export function promptsOf(
  { inputs, targets, index, size }: Batch,
  { length, padToken }: Pick<DatasetSequences, 'length' | 'padToken'>,
  times = 1,
): Prompts {
  const [ids, mask] = [inputs.tokens!.data, targets.answerMask!.data];
  const rows = size * times;
  const tokens = new Int32Array(rows * length).fill(padToken);
  const start = new Int32Array(rows);
  for (let row = 0; row < rows; row++) {
    const from = Math.floor(row / times) * length;
    start[row] = mask.indexOf(1, from) - from;
    tokens.set(ids.subarray(from, from + start[row]) as Int32Array, row * length);
  }
  return {
    tokens: { data: tokens, shape: [rows, length] },
    start,
    index: Int32Array.from({ length: rows }, (_, row) => index[Math.floor(row / times)]),
  };
}

/** [R] what answers earn. @param tokens [R, N], prompts gone on with */
export function rewardsOf(
  { start, index }: Prompts,
  tokens: ArrayLike<number>,
  { length, reward }: DatasetSequences,
): Float32Array {
  const all = Array.from(tokens);
  return Float32Array.from(index, (sample, row) =>
    reward(sample, all.slice(row * length + start[row], (row + 1) * length)),
  );
}
