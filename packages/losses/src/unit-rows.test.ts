import { describeEachBackend, expectClose } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { cosineDistance } from './cosine.js';
import { expectValueAndGradient, valueAndGradient } from './test-support/gradient.js';
import { dot, numbers, rows, sum } from './test-support/make.js';
import { unitRows } from './unit-rows.js';

const [x, w] = [numbers('rows', 6), numbers('weights', 6)];

describeEachBackend('unit rows', () => {
  it('divides each row by its length, with the gradient of finite differences', () =>
    expectValueAndGradient<tf.Tensor2D>(
      (v) => unitRows(v).mul(tf.tensor2d(w, [2, 3])),
      (v) => sum(rows(v, 3).map((row, i) => dot(row, rows(w, 3)[i]) / Math.sqrt(dot(row, row)))),
      x,
      [2, 3],
    ));

  it('gives a zero row zeros and no gradient, whatever is asked of it', async () => {
    const weighted = await valueAndGradient<tf.Tensor2D>((v) => unitRows(v).mul(5), [0, 0, 0], [1, 3]);
    expect(weighted).toEqual({ value: 0, gradient: [0, 0, 0] });
    const cosine = await valueAndGradient<tf.Tensor2D>(
      (v) => cosineDistance(v, tf.tensor2d([[1, 2, 3]])),
      [0, 0, 0],
      [1, 3],
    );
    expect(cosine.value).toBe(1);
    await expectClose(cosine.gradient, [0, 0, 0], { absolute: 0 });
  });
});
