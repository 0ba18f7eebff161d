import type { Batch, DatasetSequences } from '@retort/core';
import { promptsOf, rewardsOf } from './sequence-prompts.js';

const batch = {
  ...{ split: 'train', epoch: 0, step: 0, size: 2, index: Int32Array.of(7, 4), view: new Int32Array(2) },
  inputs: { tokens: { data: Int32Array.of(5, 6, 8, 1, 0, 5, 9, 9, 9, 1), shape: [2, 5] } },
  targets: { answerMask: { data: Uint8Array.of(0, 0, 1, 1, 0, 0, 1, 1, 1, 1), shape: [2, 5] } },
} as Batch;

it('takes answers out of rows, each as often as asked, side by side', () => {
  const prompts = promptsOf(batch, { length: 5, padToken: 3 }, 2);
  expect(prompts.tokens).toEqual({
    data: Int32Array.of(5, 6, 3, 3, 3, 5, 6, 3, 3, 3, 5, 3, 3, 3, 3, 5, 3, 3, 3, 3),
    shape: [4, 5],
  });
  expect(prompts.start).toEqual(Int32Array.of(2, 2, 1, 1));
  expect(prompts.index).toEqual(Int32Array.of(7, 7, 4, 4));
});

it('asks for the reward of what stands after each prompt', () => {
  const asked: [number, number[]][] = [];
  const reward = (index: number, answer: ArrayLike<number>) => asked.push([index, Array.from(answer)]) / 2;
  const prompts = promptsOf(batch, { length: 5, padToken: 3 });
  const sequences = { length: 5, reward } as unknown as DatasetSequences;
  expect(rewardsOf(prompts, [5, 6, 8, 1, 3, 5, 2, 1, 3, 3], sequences)).toEqual(Float32Array.of(0.5, 1));
  expect(asked).toEqual([
    [7, [8, 1, 3]],
    [4, [2, 1, 3, 3]],
  ]);
});
