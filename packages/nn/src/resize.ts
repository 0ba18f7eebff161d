import * as tf from '@tensorflow/tfjs';

/**
 * Resizes a feature map by two constant matrix products: average pooling where it shrinks, bilinear where it grows. Unlike
 * tf.image.resizeBilinear with half-pixel centers, whose gradient tfjs gets wrong, this one's gradient is its transpose.
 *
 * @param x [B, H, W, K]
 * @returns [B, height, width, K]
 */
export function resizeFeatureMap(x: tf.Tensor4D, height: number, width: number): tf.Tensor4D {
  const [batch, h, w, channels] = x.shape;
  if (h === height && w === width) return x;
  return tf.tidy(() => {
    const rows = tf.matMul(interpolation(h, height), x.transpose([1, 0, 2, 3]).reshape([h, batch * w * channels]));
    const columns = rows
      .reshape([height, batch, w, channels])
      .transpose([2, 1, 0, 3])
      .reshape([w, batch * height * channels]);
    return tf
      .matMul(interpolation(w, width), columns)
      .reshape([width, batch, height, channels])
      .transpose([1, 2, 0, 3]) as tf.Tensor4D;
  });
}

/** [to, from] matrix of one axis. Rows sum to one. */
function interpolation(from: number, to: number): tf.Tensor2D {
  const matrix = new Float32Array(to * from);
  for (let i = 0; i < to; i++) {
    if (to < from) {
      // Adaptive average pooling: cell i covers [⌊i·from/to⌋, ⌈(i+1)·from/to⌉).
      const [start, end] = [Math.floor((i * from) / to), Math.ceil(((i + 1) * from) / to)];
      for (let j = start; j < end; j++) matrix[i * from + j] = 1 / (end - start);
    } else {
      // Half-pixel centers, align_corners false, clamped at the edges.
      const center = Math.max(0, ((i + 0.5) * from) / to - 0.5);
      const left = Math.min(Math.floor(center), from - 1);
      const right = Math.min(left + 1, from - 1);
      matrix[i * from + left] += 1 - (center - left);
      matrix[i * from + right] += center - left;
    }
  }
  return tf.tensor2d(matrix, [to, from]);
}
