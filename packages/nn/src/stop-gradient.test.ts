import * as tf from '@tensorflow/tfjs';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import { stopGradient, untaped } from './stop-gradient.js';

describeEachBackend('stopGradient', () => {
  it('makes its argument a constant: d/dx x·stop(x) = x, not 2x', async () => {
    const x = tf.variable(tf.tensor1d([2, -3]));
    const { value, grads } = tf.variableGrads(() => tf.sum(x.mul(stopGradient(x))) as tf.Scalar, [x]);
    await expectClose(grads[x.name], [2, -3]);
    await expectClose(value, [13]);
    tf.dispose([x, value, grads]);
  });

  it('cuts everything computed inside untaped', async () => {
    const x = tf.variable(tf.tensor1d([1, 2]));
    const { value, grads } = tf.variableGrads(() => tf.sum(x.mul(untaped(() => x.square().exp()))) as tf.Scalar, [x]);
    await expectClose(grads[x.name], [Math.exp(1), Math.exp(4)]);
    tf.dispose([x, value, grads]);
  });

  it('leaves room for an independent gradient inside', async () => {
    const [x, y] = [tf.variable(tf.scalar(3)), tf.variable(tf.scalar(2))];
    let inner: number[] = [];
    const { value, grads } = tf.variableGrads(() => {
      const before = x.square();
      inner = untaped(() => {
        const { value, grads } = tf.variableGrads(() => y.pow(3).mul(before) as tf.Scalar, [y]);
        const found = Array.from(grads[y.name].dataSync());
        tf.dispose([value, grads[y.name]]);
        return found;
      });
      return before.mul(x) as tf.Scalar;
    }, [x]);
    await expectClose(inner, [3 * 2 ** 2 * 9]);
    await expectClose(grads[x.name], [27]); // what was recorded before it is still there
    await expectClose(value, [27]);
    tf.dispose([x, y, value, grads]);
  });

  it('goes back on the tape when the body throws', () => {
    const x = tf.variable(tf.scalar(3));
    const { value, grads } = tf.variableGrads(() => {
      expect(() =>
        untaped(() => {
          throw new Error('inside');
        }),
      ).toThrow('inside');
      return x.square() as tf.Scalar;
    }, [x]);
    expect(grads[x.name].dataSync()[0]).toBeCloseTo(6);
    tf.dispose([x, value, grads]);
  });

  it('leaves no tensors', () =>
    expectNoLeak(() => {
      const x = tf.tidy(() => tf.variable(tf.tensor1d([2, -3])));
      tf.dispose(
        tf.variableGrads(() => tf.sum(x.mul(stopGradient(x))) as tf.Scalar, [x]) as unknown as tf.TensorContainer,
      );
      x.dispose();
    }));
});
