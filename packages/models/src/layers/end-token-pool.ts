import * as tf from '@tensorflow/tfjs';

export interface EndTokenPoolConfig {
  name?: string;
  /** The id that closes every text. */
  endToken: number;
}

/**
 * What stands for a text (Radford et al. 2021, §2.4): of tokens [B, N, D] and their ids [B, N], the token where the end token first
 * stands; padding after it may repeat it. [B, D]. A text without one is its first token: tokenizers see to it that there is none.
 */
export class EndTokenPool extends tf.layers.Layer {
  static readonly className = 'EndTokenPool';
  readonly #endToken: number;

  constructor(config: EndTokenPoolConfig) {
    super(config);
    this.#endToken = config.endToken;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const [tokens, ids] = inputs as tf.Tensor[];
      const [batch, places, width] = tokens.shape;
      const first = ids.equal(this.#endToken).cast('float32').argMax(1);
      // A matrix product in place of a gather: its gradient is one too.
      const chosen = tf.oneHot(first, places).cast('float32').expandDims(1);
      return tf.matMul(chosen, tokens).reshape([batch, width]);
    });
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    const [[batch, , width]] = inputShape as tf.Shape[];
    return [batch, width];
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), endToken: this.#endToken };
  }
}

/** {@link EndTokenPool}. */
export function endTokenPool(config: EndTokenPoolConfig): tf.layers.Layer {
  return new EndTokenPool(config);
}
