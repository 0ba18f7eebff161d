import * as tf from '@tensorflow/tfjs';

export interface TokenAttentionConfig {
  name?: string;
  /** Divides the width D. */
  heads: number;
  /** Mixes the heads before and after the softmax (Shazeer et al. 2020). */
  talkingHeads?: boolean;
  /** A query sees the keys up to its own place only; there are as many of both. */
  causal?: boolean;
}

/**
 * softmax(q kᵀ / √d) v per head (Vaswani et al. 2017, eq. 1), d = D / heads: of [B, N, 3D], query, key and value side by side, or of
 * the three apart, [B, Q, D], [B, N, D] and [B, N, D] → [B, Q, D]. The projections around it are dense layers of their own.
 * With talking heads, weights `before_kernel` and `after_kernel`, [heads, heads], whose rows are the heads that come out, and
 * `before_bias` and `after_bias`, [heads].
 */
export class TokenAttention extends tf.layers.Layer {
  static readonly className = 'TokenAttention';
  readonly #heads: number;
  readonly #talkingHeads: boolean;
  readonly #causal: boolean;
  #mixing: tf.LayerVariable[] = [];

  constructor(config: TokenAttentionConfig) {
    super(config);
    this.#heads = config.heads;
    this.#talkingHeads = config.talkingHeads ?? false;
    this.#causal = config.causal ?? false;
  }

  override build(): void {
    if (this.#talkingHeads) {
      const heads = this.#heads;
      this.#mixing = ['before', 'after'].flatMap((place) => [
        this.addWeight(`${place}_kernel`, [heads, heads], 'float32', tf.initializers.zeros()),
        this.addWeight(`${place}_bias`, [heads], 'float32', tf.initializers.zeros()),
      ]);
    }
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const given = [inputs].flat();
      const [query, key, value] = (given.length === 1 ? tf.split(given[0], 3, -1) : given).map((x) => this.#byHead(x));
      const [heads, batch, queries, depth] = query.shape;
      // Heads first, so that mixing them is one matrix product.
      const scores = this.#mixed(tf.matMul(query.mul(1 / Math.sqrt(depth)), key, false, true), 0);
      const shares = this.#mixed(tf.softmax(this.#causal ? scores.add(later(queries)) : scores), 1);
      return tf
        .matMul(shares, value)
        .transpose([1, 2, 0, 3])
        .reshape([batch, queries, heads * depth]);
    });
  }

  /** [B, N, D] → [heads, B, N, d]. */
  #byHead(x: tf.Tensor): tf.Tensor4D {
    const [batch, tokens, width] = x.shape;
    const heads = this.#heads;
    return x.reshape([batch, tokens, heads, width / heads]).transpose([2, 0, 1, 3]) as tf.Tensor4D;
  }

  /** Scores or shares [heads, B, Q, N] after the heads have talked, the first or the second time. */
  #mixed(x: tf.Tensor4D, time: 0 | 1): tf.Tensor4D {
    if (!this.#talkingHeads) return x;
    const [kernel, bias] = this.#mixing.slice(2 * time).map((weight) => weight.read());
    return tf
      .matMul(kernel as tf.Tensor2D, x.reshape([this.#heads, -1]) as tf.Tensor2D)
      .add(bias.expandDims(1))
      .reshape(x.shape);
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    const shapes = inputShape as (number | null | tf.Shape)[];
    if (Array.isArray(shapes[0])) return shapes[0];
    const [batch, tokens, width] = shapes as tf.Shape;
    return [batch, tokens, width! / 3];
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), heads: this.#heads, talkingHeads: this.#talkingHeads, causal: this.#causal };
  }
}

/** [N, N]: what a score loses whose key stands after its query. Finite, and its share is still exactly 0. */
function later(tokens: number): tf.Tensor2D {
  const places = tf.range(0, tokens);
  return places.expandDims(0).greater(places.expandDims(1)).cast('float32').mul(-1e9) as tf.Tensor2D;
}

/** {@link TokenAttention}. */
export function tokenAttention(config: TokenAttentionConfig): tf.layers.Layer {
  return new TokenAttention(config);
}
