import { type DatasetText, type HostTensor, InputError, sha256, type TeacherContext } from '@retort/core';
import { compile, unitRows } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';

/** Classes told apart by their prompts alone. */
export interface ZeroShotClassifier {
  /** [C, D], unit rows: what stands for each class in the space of images and texts. */
  classEmbeddings: HostTensor;
  /** Of the prompts' ids: changes whenever some class is told by another text. */
  fingerprint: string;
  /** @param imageEmbedding [B, D], of any length @returns [B, C]; the caller owns it */
  logits(imageEmbedding: tf.Tensor2D): tf.Tensor2D;
}

/** Texts that go through the text encoder at once. */
const batchSize = 64;

/**
 * Zero-shot classification with two encoders (Radford et al. 2021, CLIP, §3.1): logits are scale · cos(image, class). A class is
 * the mean of its prompts' unit embeddings, made a unit vector again; each prompt is encoded once, here.
 *
 * @param encode ids [T, N] to embeddings [T, D], which become this function's to dispose
 * @throws InputError for a class without prompts, and for a prompt whose embedding is not finite or has no length
 */
export async function zeroShotClassifier(
  { tokenizer, prompts }: DatasetText,
  encode: (tokens: HostTensor) => Promise<tf.Tensor2D>,
  logitScale: number,
  { id, classes, path: where }: Pick<TeacherContext, 'id' | 'classes' | 'path'>,
): Promise<ZeroShotClassifier> {
  const bare = classes.findIndex((_, c) => !prompts[c]?.length);
  if (bare >= 0) {
    throw new InputError(`teacher "${id}" tells classes by their prompts, and class "${classes[bare]}" has none`, {
      where,
    });
  }
  const texts = prompts.flatMap((ofClass, c) => ofClass.map((text) => ({ text, c })));
  const tokens = tokenizer.encode(texts.map(({ text }) => text));
  const length = tokens.shape[1];
  let sums: Float64Array[] = [];
  for (let start = 0; start < texts.length; start += batchSize) {
    const some = texts.slice(start, start + batchSize);
    const encoded = await encode({
      data: tokens.data.slice(start * length, (start + some.length) * length),
      shape: [some.length, length],
    });
    const values = await encoded.data();
    const dimensions = encoded.shape[1];
    encoded.dispose();
    if (start === 0) sums = classes.map(() => new Float64Array(dimensions));
    some.forEach(({ text, c }, i) => {
      const embedding = unit(values.subarray(i * dimensions, (i + 1) * dimensions));
      if (!embedding) {
        throw new InputError(`teacher "${id}": the embedding of the prompt "${text}" is zero or not finite`, {
          hints: ['are the weights whole, and is the tokenizer the one that the text encoder was trained with?'],
          where,
        });
      }
      embedding.forEach((value, d) => (sums[c][d] += value));
    });
  }
  const dimensions = sums[0].length;
  const data = new Float32Array(classes.length * dimensions);
  sums.forEach((sum, c) => {
    const embedding = unit(sum);
    if (!embedding) throw new InputError(`teacher "${id}": the prompts of class "${classes[c]}" cancel out`, { where });
    data.set(embedding, c * dimensions);
  });
  const shape: [number, number] = [classes.length, dimensions];
  const step = compile(
    ({ imageEmbedding }: { imageEmbedding: tf.Tensor }) => ({
      logits: unitRows(imageEmbedding as tf.Tensor2D)
        .matMul(tf.tensor2d(data, shape), false, true)
        .mul(logitScale),
    }),
    { variables: {} },
  );
  return {
    classEmbeddings: { data, shape },
    fingerprint: sha256(JSON.stringify([prompts.map((ofClass) => ofClass.length), Array.from(tokens.data)])),
    logits: (imageEmbedding) => step({ imageEmbedding }).logits as tf.Tensor2D,
  };
}

/** A vector of length 1 in the same direction; undefined where there is none. */
function unit(vector: Float64Array | tf.TypedArray): Float64Array | undefined {
  let squared = 0;
  for (const value of vector) squared += value * value;
  if (!(squared > 0 && squared < Infinity)) return undefined;
  return Float64Array.from(vector, (value) => value / Math.sqrt(squared));
}
