import * as tf from '@tensorflow/tfjs';
import type { Variables } from './network.js';

/** target ← target + rate (source − target), for every variable of the target. */
export function follow(target: Variables, source: Variables, rate: number): void {
  tf.tidy(() => {
    for (const [key, variable] of Object.entries(target)) {
      variable.assign(rate === 1 ? source[key].clone() : variable.add(source[key].sub(variable).mul(rate)));
    }
  });
}
