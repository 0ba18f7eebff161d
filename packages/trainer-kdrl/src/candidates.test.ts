import type { Dataset } from '@retort/core';
import { describeEachBackend, expectClose } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { candidatesOf, offersWithLogits, rightCandidates, unusedOutputs, withLogits } from './candidates.js';
import { dot, unit } from './test-support/planted.js';

const tokenizer = {
  contextLength: 2,
  encode: (texts: readonly string[]) => ({
    data: Int32Array.from(texts.flatMap((text) => [text.length, 0])),
    shape: [texts.length, 2],
  }),
};
const dataset = (prompts: string[][]) => ({ classes: ['a', 'b'], text: { tokenizer, prompts } }) as unknown as Dataset;
const pair = { imageEmbedding: [3], textEmbedding: [3], logitScale: [] };
const [classes, prompts, texts] = [
  candidatesOf(dataset([]), { logits: [2] }, true),
  candidatesOf(dataset([['x', 'xx'], ['xxx']]), pair, false),
  candidatesOf(dataset([['x']]), pair, true),
];

describe('candidates', () => {
  it('are the classes of a network with logits, the prompts of classes, or the texts of the batch', () => {
    expect([classes.kind, prompts.kind, texts.kind]).toEqual(['classes', 'prompts', 'texts']);
    expect([classes, prompts, texts].map(({ count }) => count(7))).toEqual([2, 2, 7]);
    // The first prompt of each class is what students see in training.
    expect(Array.from(prompts.tokens!.data)).toEqual([1, 0, 3, 0]);
    expect(texts.tokens).toBeUndefined();
  });

  it('are refused to a student that decides nothing, or finds no texts', () => {
    expect(() => candidatesOf(dataset([]), { embedding: [3] }, false)).toThrow('so it decides nothing');
    expect(() => candidatesOf(dataset([]), pair, false)).toThrow('there are neither captions nor prompts');
  });

  it('leave out boxes where texts are not those of the images', () => {
    expect(unusedOutputs(texts, true)).toEqual({ model: [], shown: [] });
    expect(unusedOutputs(texts, false)).toEqual({ model: ['boxes'], shown: ['boxes'] });
    expect(unusedOutputs(prompts, true)).toEqual({ model: ['boxes'], shown: ['boxes', 'textEmbedding'] });
  });

  it('are told with the shapes of logits', () => {
    expect(offersWithLogits(pair, 4)).toEqual({ ...pair, logits: [4] });
    expect(offersWithLogits({ ...pair, logits: [2] }, 4).logits).toEqual([2]);
    expect(offersWithLogits({ embedding: [3] }, 4)).toEqual({ embedding: [3] });
  });
});

describeEachBackend('candidates', () => {
  const images = [
    [1, 2, -1],
    [0.5, 0, 3],
  ];
  const captions = [
    [2, 1, 0],
    [-1, 0, 1],
    [0.1, 0.2, 0.3],
  ];

  it('have logitScale · cos(image, text) as logits, unless the network has its own', async () => {
    const embeddings = { imageEmbedding: tf.tensor2d(images), textEmbedding: tf.tensor2d(captions) };
    const cosines = images.flatMap((image) => captions.map((text) => dot(unit(image), unit(text))));
    await expectClose(withLogits(embeddings).logits!, cosines);
    await expectClose(
      withLogits({ ...embeddings, logitScale: tf.scalar(14) }).logits!,
      cosines.map((each) => 14 * each),
    );
    const logits = tf.tensor2d([[1, 2]]);
    expect(withLogits({ ...embeddings, logits }).logits).toBe(logits);
  });

  it('belong to an image as its label, or as the text of its number', async () => {
    const label = tf.tensor1d([1, -1, 0], 'int32');
    expect(rightCandidates(prompts, { size: 3, label })).toBe(label);
    expect(rightCandidates(classes, { size: 3 })).toBeUndefined();
    expect(Array.from(await rightCandidates(texts, { size: 3 })!.data())).toEqual([0, 1, 2]);
  });
});
