import * as tf from '@tensorflow/tfjs';
import { expectAsCpu, gradients, useOnnxRuntime } from '../test-support/against-cpu.js';
import { operators } from '../test-support/operators.js';

const blocked = 'com.microsoft.nchwc.Conv';

beforeAll(useOnnxRuntime);

const convolution =
  (strides: number | [number, number] = 1, pad: 'same' | 'valid' | tf.backend_util.ExplicitPadding = 'same') =>
  (x: tf.Tensor, filter: tf.Tensor) =>
    tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, strides, pad);

/** Normalized with the batch's statistics, as layers do it. */
function normalize(x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor): tf.Tensor {
  const { mean, variance } = tf.moments(x, [0, 1, 2]);
  return tf.batchNorm4d(x as tf.Tensor4D, mean as tf.Tensor1D, variance as tf.Tensor1D, offset as tf.Tensor1D, scale as tf.Tensor1D); // prettier-ignore
}

describe('a convolution whose channels fill blocks', () => {
  const explicit: tf.backend_util.ExplicitPadding = [[0, 0], [1, 2], [0, 3], [0, 0]]; // prettier-ignore
  it.each<[number[], number[], number | [number, number], 'same' | 'valid' | tf.backend_util.ExplicitPadding]>([
    [[2, 7, 6, 16], [3, 3, 16, 16], 1, 'same'],
    [[2, 7, 6, 32], [3, 3, 32, 48], 1, 'same'],
    [[2, 7, 6, 3], [3, 3, 3, 32], 1, 'same'],
    [[2, 8, 6, 16], [3, 3, 16, 32], 2, 'same'],
    [[1, 5, 9, 16], [2, 5, 16, 16], [1, 2], 'valid'],
    [[1, 6, 5, 32], [3, 2, 32, 16], 1, explicit],
  ])('%j by %j, strides %j, pad %j: result and gradients', async (x, filter, strides, pad) => {
    const body = convolution(strides, pad);
    expect(operators([x, filter], body).after(blocked)).toBe(1);
    await expectAsCpu([x, filter], body);
    await expectAsCpu([x, filter], gradients(body));
  });

  it('with dilations, and of single pixels with pads', async () => {
    const dilated = (x: tf.Tensor, filter: tf.Tensor) =>
      tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 1, 'same', 'NHWC', [2, 3]);
    const pixels = (x: tf.Tensor, filter: tf.Tensor) => tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 2, 1);
    for (const [filter, body] of [
      [[3, 2, 32, 16], dilated],
      [[1, 1, 32, 16], pixels],
    ] as const) {
      // prettier-ignore
      expect(operators([[1, 9, 8, 32], filter.slice()], body).after(blocked)).toBe(1);
      await expectAsCpu([[1, 9, 8, 32], filter], body);
    }
    await expectAsCpu([[1, 9, 8, 32], [1, 1, 32, 16]], gradients(pixels)); // prettier-ignore
  });

  it('with a bias and a ReLU in it', async () => {
    const body = (x: tf.Tensor, filter: tf.Tensor, bias: tf.Tensor) =>
      tf.fused.conv2d({ x: x as tf.Tensor4D, filter: filter as tf.Tensor4D, strides: 1, pad: 'same', bias, activation: 'relu' }); // prettier-ignore
    await expectAsCpu([[2, 5, 4, 32], [3, 3, 32, 32], [32]], body);
  });

  it('one channel at a time', async () => {
    const body = (x: tf.Tensor, filter: tf.Tensor) =>
      tf.depthwiseConv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 1, 'same');
    const shapes = [[2, 6, 5, 32], [3, 3, 32, 1]]; // prettier-ignore
    expect(operators(shapes, body).after(blocked)).toBe(1);
    await expectAsCpu(shapes, body);
    await expectAsCpu(shapes, gradients(body));
  });

  it('stays in blocks from one to the next', () => {
    const shapes = [[2, 6, 5, 32], [3, 3, 32, 32], [3, 3, 32, 32]]; // prettier-ignore
    const { after } = operators(shapes, (x, a, b) => convolution()(convolution()(x, a), b));
    expect([after('com.microsoft.nchwc.ReorderInput'), after('com.microsoft.nchwc.ReorderOutput')]).toEqual([1, 1]);
  });

  it('and one whose channels do not', () => {
    const { after } = operators([[2, 6, 5, 20], [3, 3, 20, 32]], convolution()); // prettier-ignore
    expect([after(blocked), after('Conv')]).toEqual([0, 1]);
  });
});

describe('what is small', () => {
  it('stays small in the gradient of batch norm: no pass over x but those that are needed', async () => {
    const shapes = [[8, 16, 16, 16], [16], [16]]; // prettier-ignore
    const body = gradients((x, scale, offset) => normalize(x, scale, offset));
    await expectAsCpu(shapes, body);
    const { graph } = operators(shapes, body);
    const size = tf.util.sizeFromShape(shapes[0]);
    const passes = graph.nodes.filter(({ op, outputs }) => op !== 'Reshape' && tf.util.sizeFromShape(outputs[0].shape as number[]) === size); // prettier-ignore
    // x − mean, squared; the incoming gradient, and its product with x − mean; dy · a + (x − mean) · b + c
    expect(passes.map(({ op }) => op).sort()).toEqual(['Add', 'Add', 'Mul', 'Mul', 'Mul', 'Mul', 'Sub']);
  });

  it('is repeated to long rows', async () => {
    const shapes = [[64, 16, 16], [16]]; // prettier-ignore
    for (const body of [tf.add, tf.sub, tf.mul, tf.div]) {
      await expectAsCpu(shapes, (x, row) => body(x, tf.add(row, 2)));
      await expectAsCpu(shapes, (x, row) => body(tf.add(row, 2), tf.add(x, 2)));
    }
    const { graph } = operators(shapes, (x, row) => tf.sub(row, x));
    expect(graph.nodes.find(({ op }) => op === 'Sub')!.outputs[0].shape).toEqual([32, 512]);
  });

  it('is summed over long rows', async () => {
    const shapes = [[64, 32, 16]]; // prettier-ignore
    const body = (x: tf.Tensor) => [tf.sum(x, [0, 1]), tf.mean(tf.abs(x), [0, 1])];
    const { graph } = operators(shapes, body);
    const sums = graph.nodes.filter(({ op }) => op === 'MatMul').map(({ outputs }) => outputs[0].shape.join());
    expect(sums.sort()).toEqual(['1,16', '1,16', '1,512', '1,512']);
    await expectAsCpu(shapes, body);
  });

  it.each<[string, (x: tf.Tensor, row: tf.Tensor, column: tf.Tensor) => tf.Tensor | tf.Tensor[]]>([
    ['a product of products', (x, row) => tf.mul(tf.mul(tf.mul(x, row), 2), tf.mul(row, x))],
    ['a quotient', (x, row) => tf.div(tf.mul(x, row), tf.add(row, 3))],
    ['a sum of a product with a row', (x, row) => tf.sum(tf.mul(tf.mul(x, row), x), 0)],
    ['a sum of repeated rows', (_, row) => tf.sum(tf.mul(tf.tile(tf.reshape(row, [1, 5]), [4, 1]), row), 0)],
    ['a column', (x, row, column) => tf.mul(tf.mul(tf.mul(x, column), row), column)],
    ['a row of one column', (_, __, column) => tf.mul(tf.mul(column, tf.sum(column)), column)],
    ['what is only repeated', (_, row) => tf.tile(tf.reshape(row, [1, 5]), [4, 1])],
    ['the same twice', (x, row) => [tf.mul(x, row), tf.mul(row, x), x.clone()]],
  ])('in %s', async (_, body) => {
    await expectAsCpu([[4, 5], [5], [4, 1]], body); // prettier-ignore
  });

  it('is added within a product of matrices, unless the product is read elsewhere', async () => {
    const shapes = [[2, 3, 4], [4, 5], [5]]; // prettier-ignore
    const layer = (x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) => {
      const product = tf.reshape(tf.matMul(tf.reshape(x, [6, 4]), kernel as tf.Tensor2D), [2, 3, 5]);
      return { product, sum: tf.add(bias, product) };
    };
    const alone = (x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) => layer(x, kernel, bias).sum;
    const both = (x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) => Object.values(layer(x, kernel, bias));
    expect(operators(shapes, alone).after('Add')).toBe(0);
    expect(operators(shapes, both).after('Add')).toBe(1);
    await expectAsCpu(shapes, alone);
    await expectAsCpu(shapes, both);
    await expectAsCpu(shapes, gradients(alone));
  });
});

describe('a gradient of ours', () => {
  it.each<[string, (x: tf.Tensor) => tf.Tensor]>([
    ['a sum', (x) => tf.sum(tf.square(x), [0, 2])],
    ['a mean', (x) => tf.mean(tf.square(x), 1, true)],
    ['clipping', (x) => tf.clipByValue(x, -0.25, 0.5)],
    ['clipping at a bound', (x) => tf.clipByValue(tf.relu(x), 0, 0.5)],
  ])('of %s is that of tfjs', async (_, body) => {
    await expectAsCpu([[3, 4, 5]], gradients(body)); // prettier-ignore
  });

  it('of clipping reaches what is on a bound', () => {
    const bounds = tf.tidy(() => tf.variable(tf.tensor1d([-1, -0.25, 0, 0.5, 1])));
    const { grads } = tf.variableGrads(() => tf.sum(tf.clipByValue(bounds, -0.25, 0.5)), [bounds]);
    expect(Array.from(grads[bounds.name].dataSync())).toEqual([0, 1, 1, 1, 0]);
    tf.dispose([bounds, grads]);
  });
});
