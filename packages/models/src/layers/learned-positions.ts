import * as tf from '@tensorflow/tfjs';

/** Adds a learned vector for every place of a token: [B, N, D] → [B, N, D]; weight `positions`, [N, D]. */
export class LearnedPositions extends tf.layers.Layer {
  static readonly className = 'LearnedPositions';
  #positions?: tf.LayerVariable;

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const shape = (inputShape as tf.Shape).slice(1);
    this.#positions = this.addWeight('positions', shape, 'float32', tf.initializers.zeros());
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => [inputs].flat()[0].add(this.#positions!.read()));
  }
}

/** {@link LearnedPositions}. */
export function learnedPositions(config: { name?: string }): tf.layers.Layer {
  return new LearnedPositions(config);
}
