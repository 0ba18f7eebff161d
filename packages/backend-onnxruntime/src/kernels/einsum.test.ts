import * as tf from '@tensorflow/tfjs';
import { Random } from '@retort/core';
import { expectClose } from '@retort-tools/testing';
import type { OnnxRuntimeBackend } from '../backend.js';
import { register } from '../index.js';

register();
tf.env().set('IS_TEST', true);

const equations: [string, number[][]][] = [
  [
    'ij,jk->ik',
    [
      [3, 4],
      [4, 5],
    ],
  ],
  [
    'ij, jk -> ki',
    [
      [3, 4],
      [4, 5],
    ],
  ],
  [
    'bhid,bhjd->bhij',
    [
      [2, 3, 4, 5],
      [2, 3, 6, 5],
    ],
  ],
  ['ij->', [[3, 4]]],
  ['ij->ji', [[3, 4]]],
  ['ij->j', [[3, 4]]],
  ['i,j->ij', [[3], [4]]],
  ['i,i->', [[4], [4]]],
  [',->', [[], []]],
  ['ab,->ba', [[2, 3], []]],
];

describe.each(equations)('einsum %s', (equation, shapes) => {
  it.each(['float32', 'int32'] as const)('gives what the cpu backend gives: %s', async (type) => {
    const results: tf.Tensor[] = [];
    for (const name of ['cpu', 'onnxruntime']) {
      await tf.setBackend(name);
      const random = new Random([1, 2]);
      const inputs = shapes.map((shape) =>
        tf.tensor(
          Array.from({ length: tf.util.sizeFromShape(shape) }, () => random.integer(9) - 4),
          shape,
          type,
        ),
      );
      results.push(tf.einsum(equation, ...inputs));
    }
    expect(results[1].shape).toEqual(results[0].shape);
    expect(results[1].dtype).toBe(results[0].dtype);
    await expectClose(results[1], results[0]);
    expect((tf.backend() as OnnxRuntimeBackend).statistics().fallbacks).toEqual({});
  });
});

it('einsum takes floats with integers as floats, and booleans as integers', async () => {
  await tf.setBackend('onnxruntime');
  const [floats, integers, booleans] = [
    tf.tensor2d([0.5, 1, -2, 4], [2, 2]),
    tf.tensor1d([2, 3], 'int32'),
    tf.tensor2d([1, 1, 0, 1], [2, 2], 'bool'),
  ];
  const mixed = tf.einsum('ij,j->i', floats, integers);
  await expectClose(mixed, [0.5 * 2 + 1 * 3, -2 * 2 + 4 * 3]);
  const counted = tf.einsum('ij->i', booleans);
  expect([mixed.dtype, counted.dtype]).toEqual(['float32', 'int32']);
  await expectClose(counted, [2, 1]);
  expect((tf.backend() as OnnxRuntimeBackend).statistics().fallbacks).toEqual({});
});
