import * as tf from '@tensorflow/tfjs';
import { expectClose } from '@retort-tools/testing';
import { expectAsCpu, gradients, noise, useOnnxRuntime } from '../test-support/against-cpu.js';

const recorded = ['BatchMatMul', '_FusedMatMul'];

beforeAll(useOnnxRuntime);

describe('matMul', () => {
  it.each([
    [
      [5, 3],
      [3, 4],
    ],
    [
      [1, 7],
      [7, 1],
    ],
    [
      [2, 5, 3],
      [2, 3, 4],
    ],
    [
      [2, 5, 3],
      [1, 3, 4],
    ],
    [
      [2, 5, 3],
      [3, 4],
    ],
    [
      [1, 5, 3],
      [2, 3, 4],
    ],
    [
      [5, 3],
      [2, 3, 4],
    ],
    [
      [3, 2, 5, 3],
      [3, 2, 3, 4],
    ],
    [
      [3, 1, 5, 3],
      [1, 2, 3, 4],
    ],
  ])('of %j and %j, either transposed', async (a, b) => {
    const swapped = (shape: number[]) => [...shape.slice(0, -2), shape[shape.length - 1], shape[shape.length - 2]];
    for (const [transposeA, transposeB] of [
      [false, false],
      [true, false],
      [false, true],
      [true, true],
    ]) {
      const shapes = [transposeA ? swapped(a) : a, transposeB ? swapped(b) : b];
      const body = (x: tf.Tensor, y: tf.Tensor) => tf.matMul(x, y, transposeA, transposeB);
      // tfjs's cpu kernel repeats matrices in turn, which is broadcasting only when one side is a single matrix.
      if (a.length < 4 || a[1] === b[1]) await expectAsCpu(shapes, body, { recorded });
      if (a.length === b.length && a[0] === b[0]) {
        await expectAsCpu(shapes, gradients(body), { recorded });
      }
    }
  });

  it('agrees with loops in float64, batch dimensions broadcast', async () => {
    await useOnnxRuntime();
    const [a, b] = [noise([3, 1, 2, 5], 1), noise([2, 5, 4], 2)];
    const expected: number[] = [];
    for (let p = 0; p < 3; p++)
      for (let q = 0; q < 2; q++)
        for (let i = 0; i < 2; i++)
          for (let j = 0; j < 4; j++) {
            let sum = 0;
            for (let k = 0; k < 5; k++) sum += a[(p * 2 + i) * 5 + k] * b[(q * 5 + k) * 4 + j];
            expected.push(sum);
          }
    const actual = tf.tidy(() => tf.matMul(tf.tensor(a, [3, 1, 2, 5]), tf.tensor(b, [2, 5, 4])));
    expect(actual.shape).toEqual([3, 2, 2, 4]);
    await expectClose(actual, expected);
    actual.dispose();
  });

  it('of whole numbers', async () => {
    await useOnnxRuntime();
    const product = tf.tidy(() => tf.matMul(tf.tensor2d([[1, 2], [3, 4]], [2, 2], 'int32'), tf.tensor2d([[5], [-6]], [2, 1], 'int32'))); // prettier-ignore
    expect([product.dtype, [...product.dataSync()]]).toEqual(['int32', [-7, -9]]);
    product.dispose();
  });

  it.each(['relu', 'relu6', 'elu', 'sigmoid', 'leakyrelu', 'linear', 'prelu'] as const)(
    'fused with %s',
    async (activation) => {
      for (const [bias, batch] of [
        [[4], []],
        [[1, 4], []],
        [[4], [2]],
        [[1], [2]],
      ]) {
        for (const transposeA of [false, true]) {
          await expectAsCpu(
            [[...batch, ...(transposeA ? [3, 5] : [5, 3])], [...batch, 3, 4], bias, [4]],
            (a, b, c, alpha) =>
              tf.fused.matMul({
                a,
                b,
                transposeA,
                bias: c,
                activation,
                preluActivationWeights: activation === 'prelu' ? alpha : undefined,
                leakyreluAlpha: 0.3,
              }),
            { recorded },
          );
        }
      }
    },
  );
});
