import * as tf from '@tensorflow/tfjs';

export interface LayerNormConfig {
  name?: string;
  /** Added to the variance. */
  epsilon: number;
}

/**
 * (x − mean) / √(variance + ε) · γ + β over the last axis (Ba et al. 2016); weights `gamma` and `beta`, [D].
 * tfjs's own gives the same, but repeats γ and β for every token, and the gradient of that is a slice and a sum per token.
 */
export class LayerNorm extends tf.layers.Layer {
  static readonly className = 'LayerNorm';
  readonly #epsilon: number;
  #gamma?: tf.LayerVariable;
  #beta?: tf.LayerVariable;

  constructor(config: LayerNormConfig) {
    super(config);
    this.#epsilon = config.epsilon;
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const shape = (inputShape as tf.Shape).slice(-1);
    this.#gamma = this.addWeight('gamma', shape, 'float32', tf.initializers.ones());
    this.#beta = this.addWeight('beta', shape, 'float32', tf.initializers.zeros());
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const [x] = [inputs].flat();
      const centered = x.sub(x.mean(-1, true));
      const variance = centered.square().mean(-1, true);
      return centered.mul(variance.add(this.#epsilon).rsqrt()).mul(this.#gamma!.read()).add(this.#beta!.read());
    });
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), epsilon: this.#epsilon };
  }
}

/** {@link LayerNorm} of [B, …, D]. */
export function layerNorm(config: LayerNormConfig): tf.layers.Layer {
  return new LayerNorm(config);
}
