import * as tf from '@tensorflow/tfjs';

export interface DropPathConfig {
  name?: string;
  /** Probability that a sample's branch is left out, in [0, 1). */
  rate: number;
}

/**
 * Stochastic depth (Huang et al. 2016, eq. 2): in training, a sample's branch is zero with probability `rate` and else divided by
 * 1 − rate, which keeps its mean; outside training nothing happens. It draws nothing itself: a training pass hands over `noise`, one
 * uniform number in [0, 1) per sample, [B], under the layer's name.
 */
export class DropPath extends tf.layers.Layer {
  static readonly className = 'DropPath';
  readonly #rate: number;

  constructor(config: DropPathConfig) {
    super(config);
    this.#rate = config.rate;
  }

  override call(
    inputs: tf.Tensor | tf.Tensor[],
    { training, noise }: { training?: boolean; noise?: Record<string, tf.Tensor> } = {},
  ): tf.Tensor {
    return tf.tidy(() => {
      const [x] = [inputs].flat();
      if (!training) return x.clone();
      const drawn = noise?.[this.name];
      if (!drawn) throw new Error(`layer "${this.name}" drops paths in training and was given no noise`);
      const factors = drawn
        .greaterEqual(this.#rate)
        .cast('float32')
        .div(1 - this.#rate);
      return x.mul(factors.reshape([-1, ...x.shape.slice(1).map(() => 1)]));
    });
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), rate: this.#rate };
  }
}

/** {@link DropPath} of [B, …]. */
export function dropPath(config: DropPathConfig): tf.layers.Layer {
  return new DropPath(config);
}
