import * as tf from '@tensorflow/tfjs';

/** A learned factor per channel (Touvron et al. 2021, §2); weight `gamma`, [D]. */
export class LayerScale extends tf.layers.Layer {
  static readonly className = 'LayerScale';
  #gamma?: tf.LayerVariable;

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    this.#gamma = this.addWeight('gamma', (inputShape as tf.Shape).slice(-1), 'float32', tf.initializers.ones());
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => [inputs].flat()[0].mul(this.#gamma!.read()));
  }
}

/** {@link LayerScale} of [B, …, D]. */
export function layerScale(config: { name?: string }): tf.layers.Layer {
  return new LayerScale(config);
}
