import * as tf from '@tensorflow/tfjs';

/** One learned token for every sample (Devlin et al. 2019; Dosovitskiy et al. 2021): [B, N, D] → [B, 1, D]; weight `token`, [D]. */
export class ClassToken extends tf.layers.Layer {
  static readonly className = 'ClassToken';
  #token?: tf.LayerVariable;

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    this.#token = this.addWeight('token', (inputShape as tf.Shape).slice(-1), 'float32', tf.initializers.zeros());
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const [{ shape }] = [inputs].flat();
      // Not tf.tile: its gradient is a slice and a sum per sample.
      return tf.zeros([shape[0], 1, shape[2]!]).add(this.#token!.read());
    });
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    const [batch, , width] = inputShape as tf.Shape;
    return [batch, 1, width];
  }
}

/** {@link ClassToken}. */
export function classToken(config: { name?: string }): tf.layers.Layer {
  return new ClassToken(config);
}
