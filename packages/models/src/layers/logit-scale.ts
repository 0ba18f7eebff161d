import * as tf from '@tensorflow/tfjs';

/** ln 100. */
const limit = Math.log(100);

/**
 * What cosines are multiplied with before the softmax: exp of a learned number, never above 100 (Radford et al. 2021, §2.5). A
 * scalar, whatever it is given; weight `log`, [].
 */
export class LogitScale extends tf.layers.Layer {
  static readonly className = 'LogitScale';
  #log?: tf.LayerVariable;

  override build(): void {
    this.#log = this.addWeight('log', [], 'float32', tf.initializers.zeros());
    this.built = true;
  }

  override call(): tf.Tensor {
    return tf.tidy(() => limited(this.#log!.read()).exp());
  }

  override computeOutputShape(): tf.Shape {
    return [];
  }
}

/**
 * min(x, ln 100). Above the limit a gradient that would raise x is zero, and one that would lower it is kept: published temperatures
 * lie at the limit, and would else be stuck there.
 */
const limited = tf.customGrad((...inputs) => {
  const [x, save] = inputs as unknown as [tf.Tensor, tf.GradSaveFunc];
  save([x]);
  return {
    value: tf.minimum(x, limit),
    gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) =>
      dy.mul(saved[0].lessEqual(limit).logicalOr(dy.greater(0)).cast('float32')),
  };
});

/** {@link LogitScale}. */
export function logitScale(config: { name?: string }): tf.layers.Layer {
  return new LogitScale(config);
}
