import { type DatasetSequences, Random, Seeds, type Student } from '@retort/core';
import { decoder } from '@retort/models';
import { namedWeights } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import type { Prompts } from '../sequence-prompts.js';

/** Length of a row, tokens there are, most tokens of an answer. */
export const [N, V, A] = [5, 4, 3];
export const [pad, end] = [0, 1];
export const sequences = {
  ...{ vocabulary: Array.from('_.ab'), length: N, answerLength: A, padToken: pad, endToken: end },
} as unknown as DatasetSequences;

/** A decoder that is far from indifferent. */
export function student(): Student {
  const context = {
    ...{ classes: [], imageShape: [1, 1, N] as [number, number, number], normalization: { mean: [0], deviation: [1] } },
    ...{ sequences, seeds: new Seeds(2), baseFolder: '.', path: 'student' },
  };
  const made = decoder.create(decoder.options.parse({ width: 4, depth: 1, heads: 2 }) as never, context) as Student;
  const random = new Random([9, 0]);
  const { trainable } = namedWeights(made.model);
  tf.tidy(() => {
    for (const key of Object.keys(trainable).sort()) {
      const { shape, size } = trainable[key];
      trainable[key].assign(
        tf.tensor(
          random.fill(new Float32Array(size), 'normal').map((x) => 0.7 * x),
          shape,
        ),
      );
    }
  });
  return made;
}

/** Prompts of these ids. */
export const promptsOf = (rows: number[][]): Prompts => ({
  tokens: {
    data: Int32Array.from(rows.flatMap((row) => [...row, ...new Array<number>(N - row.length).fill(pad)])),
    shape: [rows.length, N],
  },
  start: Int32Array.from(rows, (row) => row.length),
  index: Int32Array.from(rows, (_, row) => row),
});
