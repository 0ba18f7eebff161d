import * as tf from '@tensorflow/tfjs';
import { expectClose } from '@retort-tools/testing';
import { expectAsCpu, noise, useOnnxRuntime } from '../test-support/against-cpu.js';
import { operators } from '../test-support/operators.js';

const fused = 'com.microsoft.FusedMatMul';
const [batch, queries, keys, heads, depth] = [2, 5, 7, 3, 4];
const shapes = [
  [batch, queries, heads, depth],
  [batch, keys, heads, depth],
  [batch, keys, heads, depth],
];

beforeAll(useOnnxRuntime);

const byHead = (x: tf.Tensor) => tf.transpose(x, [2, 0, 1, 3]);

/** Scores of attention, [heads, B, Q, N], weighted and summed: its gradient is that of a product on both sides. */
function weighted(query: tf.Tensor, key: tf.Tensor): tf.Scalar {
  const scores = tf.matMul(byHead(query), byHead(key), false, true);
  return tf.sum(tf.mul(scores, tf.tensor(noise(scores.shape, 9), scores.shape)));
}

/** q · k of head h, image b, query i and key j, with q and k [B, N, heads, d], in float64. */
function scoresInFloat64(query: ArrayLike<number>, key: ArrayLike<number>): number[] {
  const scores: number[] = [];
  for (let h = 0; h < heads; h++) {
    for (let b = 0; b < batch; b++) {
      for (let i = 0; i < queries; i++) {
        for (let j = 0; j < keys; j++) {
          let sum = 0;
          for (let d = 0; d < depth; d++) {
            sum += query[((b * queries + i) * heads + h) * depth + d] * key[((b * keys + j) * heads + h) * depth + d];
          }
          scores.push(sum);
        }
      }
    }
  }
  return scores;
}

describe('a product with a matrix that is transposed', () => {
  it('reads it as it lies, in attention and in its gradient', () => {
    const attention = (query: tf.Tensor, key: tf.Tensor, value: tf.Tensor) =>
      tf.matMul(tf.softmax(tf.matMul(byHead(query), byHead(key), false, true)), byHead(value));
    const { after } = operators(shapes, attention);
    expect([after(fused), after('MatMul')]).toEqual([1, 1]);
    // Those of the three inputs.
    expect(after('Transpose')).toBe(3);
    const gradient = operators(shapes, (query, key, value) =>
      Object.values(
        tf.variableGrads(() => tf.sum(attention(query, key, value)), [query, key, value] as tf.Variable[]).grads,
      ),
    );
    // Scores; the gradients of shares, of value and of key. That of query and the result are products of what lies as it is.
    expect(gradient.after(fused)).toBe(4);
    expect(gradient.after('Transpose')).toBe(6);
  });

  it('is the one written out in float64', async () => {
    const [query, key] = [noise(shapes[0], 1), noise(shapes[1], 2)];
    const scores = tf.tidy(() =>
      tf.matMul(byHead(tf.tensor(query, shapes[0])), byHead(tf.tensor(key, shapes[1])), false, true),
    );
    await expectClose(scores, scoresInFloat64(query, key));
    scores.dispose();
  });

  it('has gradients W k and Wᵀ q, in float64', async () => {
    const [query, key] = [noise(shapes[0], 1), noise(shapes[1], 2)];
    const weights = noise([heads, batch, queries, keys], 9);
    const variables = [query, key].map((values, i) => tf.variable(tf.tensor(values, shapes[i])));
    const { value, grads } = tf.variableGrads(() => weighted(variables[0], variables[1]), variables);
    const ofQuery = new Float64Array(query.length);
    const ofKey = new Float64Array(key.length);
    let at = 0;
    for (let h = 0; h < heads; h++) {
      for (let b = 0; b < batch; b++) {
        for (let i = 0; i < queries; i++) {
          for (let j = 0; j < keys; j++) {
            for (let d = 0; d < depth; d++) {
              const q = ((b * queries + i) * heads + h) * depth + d;
              const k = ((b * keys + j) * heads + h) * depth + d;
              ofQuery[q] += weights[at] * key[k];
              ofKey[k] += weights[at] * query[q];
            }
            at++;
          }
        }
      }
    }
    await expectClose(grads[variables[0].name], [...ofQuery]);
    await expectClose(grads[variables[1].name], [...ofKey]);
    tf.dispose([value, grads, variables]);
  });

  it.each<[string, number[], number[], boolean, boolean]>([
    ['on the left', [2, 4, 3], [2, 4, 5], true, false],
    ['on the right', [2, 3, 4], [2, 5, 4], false, true],
    ['on both sides', [2, 4, 3], [2, 5, 4], true, true],
    ['for all batches', [2, 3, 3, 4], [1, 3, 5, 4], false, true],
    ['of one row', [2, 1, 4], [2, 5, 4], false, true],
  ])('%s', async (_, a, b, transposeA, transposeB) => {
    const body = (x: tf.Tensor, y: tf.Tensor) => tf.matMul(x, y, transposeA, transposeB);
    expect(operators([a, b], body).after(fused)).toBe(1);
    await expectAsCpu([a, b], body);
  });

  // tfjs's cpu backend takes the wrong matrices here.
  it('for the batches of one axis of two', async () => {
    const [a, b] = [[2, 3, 3, 4], [2, 1, 5, 4]]; // prettier-ignore
    const [x, y] = [tf.tensor(noise(a, 1), a), tf.tensor(noise(b, 2), b)];
    const [all, each] = tf.tidy(() => [
      tf.matMul(x, y, false, true),
      tf.stack(tf.unstack(tf.tile(y, [1, 3, 1, 1])).map((of, i) => tf.matMul(tf.unstack(x)[i], of, false, true))),
    ]);
    await expectClose(all, each);
    tf.dispose([x, y, all, each]);
  });

  it('is a plain product of integers, and of another transposition', async () => {
    const integers = (x: tf.Tensor, y: tf.Tensor) => tf.matMul(tf.cast(x, 'int32'), tf.cast(y, 'int32'), false, true);
    const turned = (x: tf.Tensor, y: tf.Tensor) => tf.matMul(x, tf.transpose(y, [1, 0, 2]));
    for (const [a, b, body] of [
      [[2, 3, 4], [2, 5, 4], integers],
      [[2, 3, 4], [4, 2, 5], turned],
    ] as const) {
      expect(operators([a, b], body).after(fused)).toBe(0);
      await expectAsCpu([a, b], body);
    }
  });
});
