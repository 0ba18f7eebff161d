import * as tf from '@tensorflow/tfjs';

export const size = 20;
export const classes = 10;

/** The seven segments of a digit on a display: from the top clockwise, the middle one last. */
const segments = ['012345', '12', '01346', '01236', '1256', '02356', '023456', '012', '0123456', '012356'];
/** Of each segment on a grid of 2 x 3 corners: where it begins and ends, as [column, row]. */
const lines = [
  [[0, 0], [1, 0]],
  [[1, 0], [1, 1]],
  [[1, 1], [1, 2]],
  [[0, 2], [1, 2]],
  [[0, 1], [0, 2]],
  [[0, 0], [0, 1]],
  [[0, 1], [1, 1]],
]; // prettier-ignore

/** Digits drawn at random places, sizes and slants, under noise: `images` [count, 20, 20, 1] and one-hot `labels` [count, 10]. */
export function drawDigits(count, seed) {
  const random = generator(seed);
  const pixels = new Float32Array(count * size * size);
  const labels = new Int32Array(count);
  for (let n = 0; n < count; n++) {
    const image = pixels.subarray(n * size * size, (n + 1) * size * size);
    for (let i = 0; i < image.length; i++) image[i] = 0.25 * random();
    const digit = (labels[n] = Math.floor(random() * classes));
    const [width, height] = [5 + 3 * random(), 4 + 3 * random()];
    const [left, top] = [2 + random() * (15 - width), 1 + random() * (16 - 2 * height)];
    const slant = 0.4 * random() - 0.2;
    for (const segment of segments[digit]) {
      const [[x0, y0], [x1, y1]] = lines[segment];
      for (let t = 0; t <= 1; t += 0.05) {
        const row = top + height * (y0 + t * (y1 - y0));
        const column = left + width * (x0 + t * (x1 - x0)) - slant * (row - top - height);
        const at = Math.round(row) * size + Math.min(size - 1, Math.max(0, Math.round(column)));
        if (at < image.length) image[at] = 0.7 + 0.3 * random();
      }
    }
  }
  return tf.tidy(() => ({
    images: tf.tensor4d(pixels, [count, size, size, 1]),
    labels: tf.oneHot(tf.tensor1d(labels, 'int32'), classes).toFloat(),
  }));
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let z = Math.imul(state ^ (state >>> 15), 1 | state);
    z = (z + Math.imul(z ^ (z >>> 7), 61 | z)) ^ z;
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}
