import { InputError } from '@retort/core';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { textEmbeddingOf, tinyText, tinyTokenizer, zeroShotLogitsOf } from './test-support/tiny-encoders.js';
import { teacherContext } from './test-support/teacher-inputs.js';
import { zeroShotClassifier } from './zero-shot-classifier.js';

const words = ['a', 'b', 'c', 'd', 'e'];
/** Encodes by the formula written out, and keeps count. */
function formula(counts: number[] = []) {
  return async ({ data, shape: [texts, length] }: { data: ArrayLike<number>; shape: number[] }) => {
    counts.push(texts);
    const told = Array.from({ length: texts }, (_, t) =>
      Array.from({ length }, (_, i) => data[t * length + i])
        .filter((id) => id < 5)
        .map((id) => words[id])
        .join(' '),
    );
    return tf.tensor2d(told.map(textEmbeddingOf));
  };
}

describeEachBackend('zero-shot classifier', () => {
  it('gives scale · cos to the mean of unit embeddings, whatever the length of an image embedding', async () => {
    const classifier = await zeroShotClassifier(tinyText, formula(), 12, teacherContext());
    const images = [
      [3, -1],
      [-0.02, 0.01],
      [40, 70],
    ];
    const embedding = tf.tensor2d(images);
    const logits = classifier.logits(embedding);
    expect(logits.shape).toEqual([3, 3]);
    await expectClose(
      logits,
      images.flatMap((image) => zeroShotLogitsOf(image)),
    );
    const { data, shape } = classifier.classEmbeddings;
    expect(shape).toEqual([3, 2]);
    for (const c of [0, 1, 2]) expect(Math.hypot(data[2 * c], data[2 * c + 1])).toBeCloseTo(1, 6);
    tf.dispose([embedding, logits]);
  });

  it('encodes each prompt once, in batches, and keeps no tensors', async () => {
    const prompts = [0, 1, 2].map((c) => Array.from({ length: 50 }, (_, i) => `${words[(c + i) % 5]} ${words[i % 3]}`));
    const counts: number[] = [];
    await expectNoLeak(async () => {
      const classifier = await zeroShotClassifier({ ...tinyText, prompts }, formula(counts), 12, teacherContext());
      expect(counts).toEqual([64, 64, 22]);
      const image = tf.tensor2d([[0.3, 0.4]]);
      const logits = classifier.logits(image);
      await expectClose(logits, zeroShotLogitsOf([0.3, 0.4], { tokenizer: tinyTokenizer, prompts }));
      tf.dispose([image, logits]);
    });
    expect(counts).toHaveLength(3);
  });
});

describe('zero-shot classifier', () => {
  const refused = async (changes: object, encode = formula()) => {
    const error = await zeroShotClassifier({ ...tinyText, ...changes }, encode, 12, teacherContext()).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(InputError);
    return (error as InputError).text;
  };

  it('refuses classes without prompts, and embeddings that are none', async () => {
    expect(await refused({ prompts: [['a'], [], ['b']] })).toContain('class "bee" has none');
    expect(await refused({ prompts: [['a'], ['b']] })).toContain('class "cat" has none');
    for (const value of [NaN, 0, Infinity]) {
      const broken = async ({ shape }: { shape: number[] }) => tf.fill([shape[0], 2], value) as tf.Tensor2D;
      expect(await refused({}, broken)).toContain('the embedding of the prompt "a b" is zero or not finite');
    }
    const opposite = async () => tf.tensor2d([1, 2, -1, -2, 1, 1, 1, 1, 1, 1], [5, 2]);
    expect(await refused({}, opposite)).toContain('the prompts of class "ant" cancel out');
  });

  it('has a fingerprint of its prompts', async () => {
    const of = async (prompts: string[][]) =>
      (await zeroShotClassifier({ ...tinyText, prompts }, formula(), 12, teacherContext())).fingerprint;
    const prints = [
      await of([['a'], ['b'], ['c', 'd']]),
      await of([['a'], ['b', 'c'], ['d']]),
      await of([['a'], ['b'], ['c', 'e']]),
    ];
    expect(new Set(prints).size).toBe(3);
    expect(await of([['a'], ['b'], ['c', 'd']])).toBe(prints[0]);
  });
});
