import * as tf from '@tensorflow/tfjs';
import { backendName } from './kernel.js';

/*
 * tfjs keeps gradients per kernel, not per backend. These replace formulas of its own by equal ones that record less, on this
 * backend; on others whatever was registered before runs.
 */

/** Gradient of a sum or mean: dy, scaled, repeated over the reduced axes. (tfjs multiplies it with a tensor of ones.) */
function reductionGradient(kernelName: 'Sum' | 'Mean'): tf.GradConfig['gradFunc'] {
  return (dy, saved, attributes) => {
    const [x] = saved;
    return {
      x: () => {
        const axes = tf.util.parseAxisParam(attributes.axis as number | number[], x.shape);
        const kept = x.shape.map((size, i) => (axes.includes(i) ? 1 : size));
        const repeats = x.shape.map((size, i) => (axes.includes(i) ? size : 1));
        const expanded = tf.reshape(dy as tf.Tensor, kept);
        const count = tf.util.sizeFromShape(repeats);
        return tf.tile(kernelName === 'Mean' ? tf.div(expanded, count) : expanded, repeats);
      },
    };
  };
}

/** Gradient of clipping: dy where x is within the bounds. (tfjs selects between dy and a tensor of zeros, three times as slow.) */
const clipGradient: tf.GradConfig['gradFunc'] = (dy, saved, attributes) => {
  const [x] = saved;
  const { clipValueMin, clipValueMax } = attributes as unknown as tf.ClipByValueAttrs;
  return {
    x: () => {
      const within = tf.logicalAnd(tf.greaterEqual(x, clipValueMin), tf.lessEqual(x, clipValueMax));
      return tf.mul(dy as tf.Tensor, tf.cast(within, 'float32'));
    },
  };
};

let registered = false;

/** Puts the formulas above in place. Calling it again changes nothing. */
export function registerGradients(): void {
  if (registered) return;
  registered = true;
  replace('Sum', reductionGradient('Sum'));
  replace('Mean', reductionGradient('Mean'));
  replace('ClipByValue', clipGradient);
}

function replace(kernelName: string, gradFunc: tf.GradConfig['gradFunc']): void {
  const before = tf.getGradient(kernelName);
  tf.registerGradient({
    ...before,
    gradFunc: (dy, saved, attributes) =>
      (tf.getBackend() === backendName ? gradFunc : before.gradFunc)(dy, saved, attributes),
  });
}
