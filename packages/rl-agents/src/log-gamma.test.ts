import * as tf from '@tensorflow/tfjs';
import { describeEachBackend, expectClose } from '@retort-tools/testing';
import { digamma, logGamma } from './log-gamma.js';

const euler = 0.5772156649015329;
const logFactorial = (n: number) => Array.from({ length: n }, (_, k) => Math.log(k + 1)).reduce((a, b) => a + b, 0);
const harmonic = (n: number) => Array.from({ length: n }, (_, k) => 1 / (k + 1)).reduce((a, b) => a + b, 0);

describeEachBackend('log Γ', () => {
  it('knows factorials, Γ(1/2), Γ(1/4) and the pole at 0', async () => {
    const x = [1, 2, 3, 11, 101, 0.5, 2.5, 0.25, 0.01];
    const small = 0.01;
    // log Γ(x) = −log x − γ x + π²/12 x² − ζ(3)/3 x³ + π⁴/360 x⁴ …
    const nearPole = -Math.log(small) - euler * small + (Math.PI ** 2 / 12) * small ** 2 - 0.4006856344 * small ** 3;
    await expectClose(
      logGamma(tf.tensor1d(x)),
      [
        ...[0, 0, Math.log(2), logFactorial(10), logFactorial(100)],
        ...[Math.log(Math.PI) / 2, Math.log(0.75 * Math.sqrt(Math.PI)), Math.log(3.625609908221908), nearPole],
      ],
      { absolute: 3e-6, relative: 1e-6 },
    );
  });

  it('has derivative ψ and second derivative ψ′', async () => {
    const x = tf.variable(tf.tensor1d([1, 4, 0.5, 0.25]));
    const first = tf.variableGrads(() => logGamma(x).sum(), [x]).grads[x.name];
    const psi = [-euler, harmonic(3) - euler, -euler - 2 * Math.LN2, -euler - Math.PI / 2 - 3 * Math.LN2];
    await expectClose(first, psi, { absolute: 3e-6 });
    await expectClose(digamma(x as tf.Tensor as tf.Tensor1D), psi, { absolute: 3e-6 });
    const y = tf.variable(tf.tensor1d([1, 0.5]));
    const second = tf.variableGrads(() => digamma(y as tf.Tensor as tf.Tensor1D).sum(), [y]).grads[y.name];
    await expectClose(second, [Math.PI ** 2 / 6, Math.PI ** 2 / 2]);
  });
});
