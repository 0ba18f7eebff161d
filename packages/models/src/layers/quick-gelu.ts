import * as tf from '@tensorflow/tfjs';

/** x · σ(1.702 x), which OpenAI's CLIP has in place of x · Φ(x) (Hendrycks & Gimpel 2016, §2). */
export class QuickGelu extends tf.layers.Layer {
  static readonly className = 'QuickGelu';

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const [x] = [inputs].flat();
      return x.mul(x.mul(1.702).sigmoid());
    });
  }
}

/** {@link QuickGelu}. */
export function quickGelu(config: { name?: string }): tf.layers.Layer {
  return new QuickGelu(config);
}
