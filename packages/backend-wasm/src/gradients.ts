import * as tf from '@tensorflow/tfjs';

/*
 * tfjs keeps gradients per kernel, not per backend. These replace four of its formulas by equal ones that make fewer
 * passes over the activations, on wasm; on other backends its own run as before.
 */

/** Gradient of a sum or mean: dy, scaled, repeated over the reduced axes. (tfjs multiplies by a tensor of ones.) */
function reductionGradient(kernelName: 'Sum' | 'Mean'): tf.GradConfig['gradFunc'] {
  return (dy, saved, attrs) => {
    const [x] = saved;
    return {
      x: () => {
        const axes = tf.util.parseAxisParam(attrs.axis as number | number[], x.shape);
        const kept = x.shape.map((size, i) => (axes.includes(i) ? 1 : size));
        const repeats = x.shape.map((size, i) => (axes.includes(i) ? size : 1));
        const expanded = tf.reshape(dy as tf.Tensor, kept);
        const count = tf.util.sizeFromShape(repeats);
        return tf.tile(kernelName === 'Mean' ? tf.div(expanded, count) : expanded, repeats);
      },
    };
  };
}

/**
 * Gradient of (x − mean) · scale / √(variance + ε) + offset with statistics per channel. Both sums over positions,
 * Σ dy and Σ dy · (x − mean), are taken once and serve mean, variance, scale and offset.
 */
const batchNormGradient: tf.GradConfig['gradFunc'] = (dy, saved, attrs) => {
  const [x, mean, variance, scale] = saved;
  const gradient = dy as tf.Tensor;
  const axes = x.shape.slice(0, -1).map((_, i) => i);
  const { factor, deviation, sumDy, sumDyX } = tf.tidy(() => {
    const deviation = tf.rsqrt(tf.add(variance, attrs.varianceEpsilon as number));
    return {
      deviation,
      factor: scale ? tf.mul(deviation, scale) : tf.clone(deviation),
      sumDy: tf.sum(gradient, axes),
      sumDyX: tf.sum(tf.mul(gradient, tf.sub(x, mean)), axes),
    };
  });
  return {
    x: () => tf.mul(gradient, factor),
    mean: () => tf.neg(tf.mul(sumDy, factor)),
    variance: () => tf.mul(tf.mul(sumDyX, factor), tf.mul(tf.square(deviation), -0.5)),
    scale: () => tf.mul(sumDyX, deviation),
    offset: () => tf.clone(sumDy),
  };
};

/** Gradient of a tile: dy summed over its copies. (tfjs slices out every copy.) */
const tileGradient: tf.GradConfig['gradFunc'] = (dy, saved, attrs) => {
  const [x] = saved;
  const reps = attrs.reps as number[];
  return {
    x: () => {
      // copies and sizes alternate; ones are left out, tfjs's transpose has few dimensions
      const parts = x.shape
        .flatMap((size, axis) => [
          { size: reps[axis], copies: true },
          { size, copies: false },
        ])
        .filter(({ size }) => size > 1);
      const split = tf.reshape(
        dy as tf.Tensor,
        parts.map(({ size }) => size),
      );
      // one axis at a time: sums over axes that lie apart are slow
      const summed = parts.reduce(
        ({ sum, axis }, { copies }) => (copies ? { sum: tf.sum(sum, axis), axis } : { sum, axis: axis + 1 }),
        { sum: split, axis: 0 },
      );
      return tf.reshape(summed.sum, x.shape);
    },
  };
};

/** Puts the formulas above in place, for wasm only. */
export function registerGradients(): void {
  replace('Sum', reductionGradient('Sum'));
  replace('Mean', reductionGradient('Mean'));
  replace('Tile', tileGradient);
  replace('FusedBatchNorm', batchNormGradient, ([, mean]) => mean.rank === 1);
}

function replace(
  kernelName: string,
  gradFunc: tf.GradConfig['gradFunc'],
  applies: (saved: tf.Tensor[]) => boolean = () => true,
): void {
  const stock = tf.getGradient(kernelName);
  tf.registerGradient({
    ...stock,
    gradFunc: (dy, saved, attrs) =>
      (tf.getBackend() === 'wasm' && applies(saved) ? gradFunc : stock.gradFunc)(dy, saved, attrs),
  });
}
