import * as tf from '@tensorflow/tfjs';

/** Of width or height: no box is smaller. */
const smallest = 1e-3;

/**
 * Any four numbers [B, 4] as boxes: left, top, right, bottom in [0, 1], left < right and top < bottom. The last two are the logits
 * of width and height, s = σ(·); the first two say where in the room that leaves, p = σ(·): left = p (1 − s) and
 * 1 − right = (1 − p) (1 − s), so that the box's center is p (1 − s) + s / 2.
 */
export class BoxCorners extends tf.layers.Layer {
  static readonly className = 'BoxCorners';

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const [place, size] = tf.split([inputs].flat()[0], 2, -1);
      const room = size
        .neg()
        .sigmoid()
        .mul(1 - smallest);
      return tf.concat([place.sigmoid().mul(room), tf.sub(1, place.neg().sigmoid().mul(room))], -1);
    });
  }
}

/** {@link BoxCorners}. */
export function boxCorners(config: { name?: string }): tf.layers.Layer {
  return new BoxCorners(config);
}
