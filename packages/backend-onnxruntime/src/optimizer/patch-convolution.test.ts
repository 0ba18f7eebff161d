import * as tf from '@tensorflow/tfjs';
import { expectClose } from '@retort-tools/testing';
import { expectAsCpu, gradients, noise, useOnnxRuntime } from '../test-support/against-cpu.js';
import { operators } from '../test-support/operators.js';

beforeAll(useOnnxRuntime);

const patched =
  (size: number | [number, number], pad: 'same' | 'valid' = 'same') =>
  (x: tf.Tensor, filter: tf.Tensor) =>
    tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, size, pad);

describe('a convolution whose windows lie side by side', () => {
  const [batch, height, width, channels, filters] = [2, 8, 12, 3, 5];
  const image = [batch, height, width, channels];
  const kernel = [4, 4, channels, filters];
  const grid = [height / 4, width / 4];

  it.each<[string, number[], number[], number | [number, number], 'same' | 'valid']>([
    ['of 4 by 4', image, kernel, 4, 'same'],
    ['of 2 by 8', [1, 4, 16, 16], [2, 8, 16, 32], [2, 8], 'valid'],
    ['of the whole image', [3, 5, 4, 2], [5, 4, 2, 6], [5, 4], 'valid'],
  ])('%s is one product', async (_, x, filter, strides, pad) => {
    const body = patched(strides, pad);
    const { after } = operators([x, filter], body);
    expect([after('Gemm'), after('Conv'), after('com.microsoft.nchwc.Conv')]).toEqual([1, 0, 0]);
    await expectAsCpu([x, filter], body);
    await expectAsCpu([x, filter], gradients(body));
  });

  it('with a bias and a ReLU in it, and after another layer', async () => {
    const body = (x: tf.Tensor, filter: tf.Tensor, bias: tf.Tensor) =>
      tf.fused.conv2d({
        x: tf.depthwiseConv2d(x as tf.Tensor4D, tf.fill([1, 1, channels, 1], 0.5), 1, 'same'),
        filter: filter as tf.Tensor4D,
        ...{ strides: 4, pad: 'same', bias, activation: 'relu' },
      });
    const { after } = operators([image, kernel, [filters]], body);
    expect(after('Gemm')).toBe(1);
    await expectAsCpu([image, kernel, [filters]], body);
  });

  it('is what float64 gives, and so are its gradients', async () => {
    const [x, w] = [noise(image, 1), noise(kernel, 2)];
    const dy = noise([batch, ...grid, filters], 3);
    const y = new Float64Array(dy.length);
    const [dx, dw] = [new Float64Array(x.length), new Float64Array(w.length)];
    for (let b = 0; b < batch; b++) {
      for (let row = 0; row < height; row++) {
        for (let column = 0; column < width; column++) {
          for (let c = 0; c < channels; c++) {
            const pixel = ((b * height + row) * width + column) * channels + c;
            const patch = (b * grid[0] + Math.floor(row / 4)) * grid[1] + Math.floor(column / 4);
            for (let f = 0; f < filters; f++) {
              const weight = (((row % 4) * 4 + (column % 4)) * channels + c) * filters + f;
              y[patch * filters + f] += x[pixel] * w[weight];
              dx[pixel] += dy[patch * filters + f] * w[weight];
              dw[weight] += dy[patch * filters + f] * x[pixel];
            }
          }
        }
      }
    }
    const variables = [tf.variable(tf.tensor(x, image)), tf.variable(tf.tensor(w, kernel))];
    const apply = () => patched(4)(variables[0], variables[1]);
    const result = apply();
    await expectClose(result, [...y]);
    const { value, grads } = tf.variableGrads(
      () => tf.sum(tf.mul(apply(), tf.tensor(dy, [batch, ...grid, filters]))),
      variables,
    );
    await expectClose(grads[variables[0].name], [...dx]);
    await expectClose(grads[variables[1].name], [...dw]);
    tf.dispose([result, value, grads, variables]);
  });
});

it('windows that overlap, leave pixels out, are padded or small stay convolutions', async () => {
  const others: [number[], number[], number | [number, number], 'same' | 'valid'][] = [
    [[2, 8, 8, 3], [4, 4, 3, 5], 2, 'same'],
    [[2, 8, 8, 3], [4, 4, 3, 5], 5, 'valid'],
    [[2, 9, 8, 3], [4, 4, 3, 5], 4, 'valid'],
    [[2, 7, 8, 3], [4, 4, 3, 5], 4, 'same'],
    [[2, 8, 8, 3], [2, 2, 3, 5], 2, 'same'],
  ];
  for (const [x, filter, strides, pad] of others) {
    const body = patched(strides, pad);
    expect(operators([x, filter], body).after('Gemm')).toBe(0);
    await expectAsCpu([x, filter], body);
  }
});
