import { type Metric, RunError, Seeds } from '@retort/core';
import { foundWithin, retrieval } from './retrieval.js';

interface Pairs {
  images: number[][];
  texts: number[][];
  imageOfText: number[];
}

/** The metric over batches of `batchSize` images, each with its own texts. */
function evaluate({ images, texts, imageOfText }: Pairs, batchSize = images.length): Record<string, unknown> {
  const metric = retrieval.create(retrieval.options.parse({}) as never, {
    classes: [],
    teachers: [],
    path: 'metrics[0]',
  }) as Metric;
  for (let start = 0; start < images.length; start += batchSize) {
    const own = texts.flatMap((text, t) =>
      imageOfText[t] >= start && imageOfText[t] < start + batchSize ? [{ text, owner: imageOfText[t] - start }] : [],
    );
    const batch = images.slice(start, start + batchSize);
    metric.update({
      size: batch.length,
      imageEmbedding: Float32Array.from(batch.flat()),
      textEmbedding: Float32Array.from(own.flatMap(({ text }) => text)),
      imageOfText: Int32Array.from(own, ({ owner }) => owner),
    });
  }
  return metric.result();
}

it('finds what lies nearest by angle, whatever the lengths', () => {
  const images = [
    [1, 0],
    [0, 5],
  ];
  // The second text of image 0 lies nearer to image 1.
  const texts = [
    [9, 1],
    [1, 3],
    [0, 0.1],
  ];
  expect(evaluate({ images, texts, imageOfText: [0, 0, 1] })).toMatchObject({
    'image-to-text/R@1': 1,
    'text-to-image/R@1': 2 / 3,
    'text-to-image/R@5': 1,
    'mean-recall': (1 + 1 + 1 + 2 / 3 + 1 + 1) / 6,
  });
});

it('gives what chance does for embeddings that are all alike', () => {
  const images = Array.from({ length: 12 }, () => [1, 1]);
  const result = evaluate({ images, texts: images, imageOfText: images.map((_, i) => i) });
  for (const way of ['image-to-text', 'text-to-image']) {
    for (const k of [1, 5, 10]) expect(result[`${way}/R@${k}`]).toBeCloseTo(k / 12, 12);
  }
});

it('shares the place among images of one caption', () => {
  // Images 0 and 1 have the caption of image 2 too; each finds its own first one time in three. The texts find image 0 first.
  const images = [
    [1, 0],
    [0.8, 0.6],
    [0.6, 0.8],
  ];
  const texts = images.map(() => [1, 0]);
  const result = evaluate({ images, texts, imageOfText: [0, 1, 2] });
  expect(result['image-to-text/R@1']).toBeCloseTo(1 / 3, 12);
  expect(result['text-to-image/R@1']).toBeCloseTo(1 / 3, 12);
  expect(result).toMatchObject({ 'image-to-text/R@5': 1, 'text-to-image/R@5': 1 });
  // Equal numbers tie whichever batches they came in.
  expect(evaluate({ images, texts, imageOfText: [0, 1, 2] }, 1)).toEqual(result);
});

it('counts ties as the mean over all orders', () => {
  // Orders of the candidates as near as the nearest right one, each as one bit pattern: 1 is right.
  const orders = (tied: number, right: number): string[] =>
    tied === 0 && right === 0
      ? ['']
      : [
          ...(tied > 0 ? orders(tied - 1, right).map((rest) => '0' + rest) : []),
          ...(right > 0 ? orders(tied, right - 1).map((rest) => '1' + rest) : []),
        ];
  for (const nearer of [0, 2]) {
    for (const tied of [0, 1, 4]) {
      for (const right of [1, 3]) {
        for (const k of [1, 3, 5, 10]) {
          const all = orders(tied, right);
          const found = all.filter((order) => nearer + order.indexOf('1') < k).length;
          expect(foundWithin({ nearer, tied, right }, k)).toBeCloseTo(found / all.length, 12);
        }
      }
    }
  }
});

it('agrees with sorting every candidate, in one batch or many, five texts an image', () => {
  const random = new Seeds(3).stream('pairs');
  const vector = (size: number) => Array.from(random.fill(new Float32Array(size), 'normal'));
  const images = Array.from({ length: 30 }, () => vector(6));
  const imageOfText = images.flatMap((_, i) => [i, i, i, i, i]);
  const texts = imageOfText.map((i) => images[i].map((x, d) => Math.fround(x + 1.2 * vector(6)[d])));
  const cosine = (a: number[], b: number[]) => {
    const dot = a.reduce((sum, x, d) => sum + x * b[d], 0);
    return dot / Math.sqrt(a.reduce((s, x) => s + x * x, 0) * b.reduce((s, x) => s + x * x, 0));
  };
  const order = (query: number[], candidates: number[][]) =>
    candidates.map((_, i) => i).sort((a, b) => cosine(query, candidates[b]) - cosine(query, candidates[a]));
  const expected: Record<string, number> = {};
  for (const k of [1, 5, 10]) {
    const ofImage = images.filter((image, i) =>
      order(image, texts)
        .slice(0, k)
        .some((t) => imageOfText[t] === i),
    );
    const ofText = texts.filter((text, t) => order(text, images).slice(0, k).includes(imageOfText[t]));
    expected[`image-to-text/R@${k}`] = ofImage.length / images.length;
    expected[`text-to-image/R@${k}`] = ofText.length / texts.length;
  }
  const whole = evaluate({ images, texts, imageOfText });
  expect(whole).toMatchObject(expected);
  expect(whole['text-to-image/R@1']).toBeGreaterThan(0.1);
  expect(whole['text-to-image/R@1']).toBeLessThan(0.9);
  expect(evaluate({ images, texts, imageOfText }, 7)).toEqual(whole);
});

it('asks only images that have texts', () => {
  const images = [
    [1, 0],
    [0, 1],
  ];
  expect(evaluate({ images, texts: [[1, 0]], imageOfText: [0] })).toMatchObject({ 'image-to-text/R@1': 1 });
});

it('refuses embeddings that are not finite', () => {
  expect(() => evaluate({ images: [[NaN, 1]], texts: [[1, 1]], imageOfText: [0] })).toThrow(RunError);
});
