/**
 * What a teacher sees of an image: a few numbers. By name, functions of a gray image [size, size] with values in [0, 1].
 */
export const features = {
  /** Strength of brightness steps, in four sizes of step and four directions: stripes, dots and plain areas differ in it. */
  texture(gray, size) {
    const directions = [
      [1, 0],
      [0, 1],
      [1, 1],
      [1, -1],
    ];
    return [1, 2, 3, 4].flatMap((stride) =>
      directions
        .map(([dx, dy]) => meanStep(gray, size, dx * stride, dy * stride))
        // Sorted, so that turning the image changes little.
        .sort((a, b) => a - b),
    );
  },

  /** Brightness on a coarse grid, 6 x 6. */
  layout(gray, size) {
    const cells = new Float64Array(36);
    const cellOf = (at) => Math.floor((at * 6) / size);
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) cells[cellOf(y) * 6 + cellOf(x)] += (gray[y * size + x] * 36) / size ** 2;
    }
    return Array.from(cells);
  },
};

/** Mean absolute difference of pixels that are (dx, dy) apart, each clipped at a quarter so that noise counts little. */
function meanStep(gray, size, dx, dy) {
  let [sum, count] = [0, 0];
  for (let y = Math.max(0, -dy); y < size - Math.max(0, dy); y++) {
    for (let x = 0; x < size - dx; x++, count++) {
      sum += Math.min(0.25, Math.abs(gray[y * size + x] - gray[(y + dy) * size + x + dx]));
    }
  }
  return sum / count;
}

/**
 * The features of every image of a batch.
 *
 * @param {{ data: Float32Array, shape: number[] }} image [B, size, size, 3], pixels in [0, 1]
 * @param {keyof typeof features} name
 * @returns {number[][]} [B][D]
 */
export function featuresOf({ data, shape: [batch, size] }, name) {
  return Array.from({ length: batch }, (_, i) => {
    const gray = Float64Array.from({ length: size * size }, (_, pixel) => {
      const at = (i * size * size + pixel) * 3;
      return (data[at] + data[at + 1] + data[at + 2]) / 3;
    });
    return features[name](gray, size);
  });
}
