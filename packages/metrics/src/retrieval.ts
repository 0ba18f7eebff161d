import { definePart, RunError, z } from '@retort/core';
import { given } from './given.js';
import { mean } from './mean.js';

const cutoffs = [1, 5, 10];

/**
 * Image-text retrieval over the whole evaluated split by cosine: `image-to-text/R@K`, the share of images with one of their own
 * texts among the K nearest texts; `text-to-image/R@K`, the share of texts whose image is among the K nearest; `mean-recall`, the
 * mean of the six (Faghri et al. 2018, VSE++, §4). Captions that several images have, word for word, tie: what is as near as each other
 * counts as in a random order, so embeddings that are all alike find what chance does.
 */
export const retrieval = definePart('metric', {
  name: 'retrieval',
  summary: 'Image-text retrieval: R@1, R@5 and R@10 both ways, and their mean.',
  options: z.strictObject({}),
  needs: { student: ['imageEmbedding', 'textEmbedding'] },
  create: () => {
    const images: Float64Array[] = [];
    const texts: Float64Array[] = [];
    const imageOfText: number[] = [];
    return {
      update(batch) {
        const {
          size,
          imageEmbedding,
          textEmbedding,
          imageOfText: owners,
        } = given(batch, ['imageEmbedding', 'textEmbedding', 'imageOfText'], 'retrieval');
        for (const owner of owners) imageOfText.push(images.length + owner);
        images.push(...unitRows(imageEmbedding, size, 'image'));
        texts.push(...unitRows(textEmbedding, owners.length, 'text'));
      },
      result() {
        const ranks = retrievalRanks(images, texts, imageOfText);
        const recalls = (['image-to-text', 'text-to-image'] as const).flatMap((way) =>
          cutoffs.map((k) => {
            const found = ranks[way].reduce((sum, rank) => sum + foundWithin(rank, k), 0);
            return [`${way}/R@${k}`, mean(found, ranks[way].length, 'retrieval')] as const;
          }),
        );
        const total = recalls.reduce((sum, [, recall]) => sum + recall, 0);
        return { ...Object.fromEntries(recalls), 'mean-recall': total / recalls.length };
      },
    };
  },
});

/** Where the nearest right candidate of a query stands. */
export interface RetrievalRank {
  /** Wrong candidates that are nearer. */
  nearer: number;
  /** Wrong candidates that are just as near. */
  tied: number;
  /** Right candidates that are just as near, itself among them. */
  right: number;
}

/**
 * The probability that a right candidate is among the first k, when candidates that are as near as each other stand in random order:
 * 1 − Π_{j < k − nearer} (tied − j) / (tied + right − j).
 */
export function foundWithin({ nearer, tied, right }: RetrievalRank, k: number): number {
  if (nearer >= k) return 0;
  let missed = 1;
  for (let j = 0; j < k - nearer && missed > 0; j++) missed *= (tied - j) / (tied + right - j);
  return 1 - missed;
}

/**
 * One rank per query; an image without texts is none.
 *
 * @param images unit vectors
 * @param texts unit vectors
 */
export function retrievalRanks(
  images: readonly Float64Array[],
  texts: readonly Float64Array[],
  imageOfText: readonly number[],
): Record<'image-to-text' | 'text-to-image', RetrievalRank[]> {
  const textToImage = texts.map(() => ({ nearer: 0, tied: 0, right: 1 }));
  const nearestOwn = texts.map((text, t) => dot(images[imageOfText[t]], text));
  const imageToText: RetrievalRank[] = [];
  for (const [i, image] of images.entries()) {
    const cosines = texts.map((text) => dot(image, text));
    let best = -Infinity;
    for (const [t, cosine] of cosines.entries()) if (imageOfText[t] === i) best = Math.max(best, cosine);
    const rank = { nearer: 0, tied: 0, right: 0 };
    for (const [t, cosine] of cosines.entries()) {
      if (imageOfText[t] === i) {
        if (cosine === best) rank.right++;
        continue;
      }
      if (cosine > best) rank.nearer++;
      else if (cosine === best) rank.tied++;
      if (cosine > nearestOwn[t]) textToImage[t].nearer++;
      else if (cosine === nearestOwn[t]) textToImage[t].tied++;
    }
    if (rank.right > 0) imageToText.push(rank);
  }
  return { 'image-to-text': imageToText, 'text-to-image': textToImage };
}

function unitRows(rows: Float32Array, count: number, what: string): Float64Array[] {
  const size = rows.length / count;
  return Array.from({ length: count }, (_, i) => {
    const row = Float64Array.from(rows.subarray(i * size, (i + 1) * size));
    const length = Math.hypot(...row);
    if (!Number.isFinite(length)) {
      throw new RunError(`an ${what} embedding of the student is not finite: retrieval is not defined`);
    }
    // A zero vector stays one: its cosine with anything is 0.
    return length === 0 ? row : row.map((value) => value / length);
  });
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let d = 0; d < a.length; d++) sum += a[d] * b[d];
  return sum;
}
