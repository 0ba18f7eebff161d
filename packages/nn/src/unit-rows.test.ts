import { describeEachBackend, expectClose } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { gradientsOf } from './optimizer.js';
import { unitRows } from './unit-rows.js';

describeEachBackend('unit rows', () => {
  it('have length one, whatever the length was; a row of zeros stays one and has no gradient', async () => {
    const x = tf.variable(tf.tensor2d([3, 4, 3e-6, -4e-6, 3e9, 4e9, 0, 0], [4, 2]));
    const { gradients } = gradientsOf(
      () =>
        unitRows(x)
          .mul(tf.tensor1d([1, 2]))
          .sum() as tf.Scalar,
      { x },
    );
    await expectClose(unitRows(x as tf.Tensor), [0.6, 0.8, 0.6, -0.8, 0.6, 0.8, 0, 0]);
    const found = await gradients.x.data();
    // (w − ⟨w, u⟩ u) / ‖x‖
    await expectClose(found.slice(0, 2), [(1 - 2.2 * 0.6) / 5, (2 - 2.2 * 0.8) / 5]);
    await expectClose(found.slice(6), [0, 0], { absolute: 0 });
    tf.dispose([x, gradients]);
  });
});
