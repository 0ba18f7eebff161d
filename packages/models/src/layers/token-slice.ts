import * as tf from '@tensorflow/tfjs';

export interface TokenSliceConfig {
  name?: string;
  /** The first token. */
  start: number;
  /** How many; to the last unless told. */
  count?: number;
}

/** Some of the tokens: [B, N, D] → [B, count, D]. */
export class TokenSlice extends tf.layers.Layer {
  static readonly className = 'TokenSlice';
  readonly #start: number;
  readonly #count: number | undefined;

  constructor(config: TokenSliceConfig) {
    super(config);
    this.#start = config.start;
    // A file says null.
    this.#count = config.count ?? undefined;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => [inputs].flat()[0].slice([0, this.#start, 0], [-1, this.#count ?? -1, -1]));
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    const [batch, tokens, width] = inputShape as tf.Shape;
    return [batch, this.#count ?? (tokens === null ? null : tokens - this.#start), width];
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), start: this.#start, count: this.#count ?? null };
  }
}

/** {@link TokenSlice}. */
export function tokenSlice(config: TokenSliceConfig): tf.layers.Layer {
  return new TokenSlice(config);
}
