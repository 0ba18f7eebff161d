import * as tf from '@tensorflow/tfjs';

/**
 * log Γ(x) for x > 0, differentiable any number of times.
 *
 * Stirling's series at x + 4 (four terms: error below 1e-8) and Γ(x) = Γ(x + 4) / (x (x + 1) (x + 2) (x + 3))
 * (Abramowitz & Stegun 1964, 6.1.15 and 6.1.41).
 */
export function logGamma<T extends tf.Tensor>(x: T): T {
  return tf.tidy(() => {
    const z = x.add(4);
    const inverse = z.reciprocal();
    const square = inverse.square();
    // 1/12z − 1/360z³ + 1/1260z⁵ − 1/1680z⁷, by Horner
    const series = inverse.mul(square.mul(square.mul(square.mul(-1 / 1680).add(1 / 1260)).sub(1 / 360)).add(1 / 12));
    const shift = x
      .mul(x.add(1))
      .mul(x.add(2).mul(x.add(3)))
      .log();
    return z
      .sub(0.5)
      .mul(z.log())
      .sub(z)
      .add(0.5 * Math.log(2 * Math.PI))
      .add(series)
      .sub(shift) as T;
  });
}

/** ψ(x) = d/dx log Γ(x) for x > 0, differentiable: the asymptotic series at x + 4 (Abramowitz & Stegun 1964, 6.3.5, 6.3.18). */
export function digamma<T extends tf.Tensor>(x: T): T {
  return tf.tidy(() => {
    const z = x.add(4);
    const inverse = z.reciprocal();
    const square = inverse.square();
    // 1/12z² − 1/120z⁴ + 1/252z⁶ − 1/240z⁸, by Horner
    const series = square.mul(square.mul(square.mul(square.mul(-1 / 240).add(1 / 252)).sub(1 / 120)).add(1 / 12));
    const shift = tf.addN([0, 1, 2, 3].map((i) => x.add(i).reciprocal()));
    return z.log().sub(inverse.mul(0.5)).sub(series).sub(shift) as T;
  });
}
