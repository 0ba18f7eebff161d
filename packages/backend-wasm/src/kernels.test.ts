import * as tf from '@tensorflow/tfjs';
import { Registry, Seeds, type Random } from '@retort/core';
import { expectClose, useBackend } from '@retort-tools/testing';
import { plugin, register } from './index.js';

type Values = ArrayLike<number>;
type Pads = { top: number; bottom: number; left: number; right: number };

const seeds = new Seeds(2024);

function drawn(random: Random, shape: number[]): tf.Tensor {
  return tf.tensor(random.fill(new Float32Array(tf.util.sizeFromShape(shape)), 'normal'), shape);
}

/** Runs a kernel through the engine and checks that it leaves exactly its result, in tensors and in the backend. */
function run(kernelName: string, inputs: Record<string, tf.Tensor>, attrs: object = {}): tf.Tensor {
  const ids = tf.backend().numDataIds();
  const tensors = tf.memory().numTensors;
  const result = tf.engine().runKernel(kernelName, inputs, attrs as tf.NamedAttrMap) as tf.Tensor;
  expect(tf.memory().numTensors).toBe(tensors + 1);
  expect(tf.backend().numDataIds()).toBe(ids + 1);
  return result;
}

/** Visits every (output, tap) pair of a 2D convolution whose input pixel exists. */
function eachTap(
  c: Convolution,
  pads: Pads,
  [outHeight, outWidth]: number[],
  visit: (b: number, y: number, x: number, oy: number, ox: number, i: number, j: number) => void,
): void {
  for (let b = 0; b < c.batch; b++)
    for (let oy = 0; oy < outHeight; oy++)
      for (let ox = 0; ox < outWidth; ox++)
        for (let i = 0; i < c.kernel[0]; i++)
          for (let j = 0; j < c.kernel[1]; j++) {
            const y = oy * c.strides[0] + i * c.dilations[0] - pads.top;
            const x = ox * c.strides[1] + j * c.dilations[1] - pads.left;
            if (y >= 0 && y < c.size[0] && x >= 0 && x < c.size[1]) visit(b, y, x, oy, ox, i, j);
          }
}

interface Convolution {
  batch: number;
  size: [number, number];
  channels: number;
  /** Output channels, or the channel multiplier of a depthwise convolution. */
  filters: number;
  kernel: [number, number];
  strides: [number, number];
  dilations: [number, number];
  pad: 'same' | 'valid' | number | [[0, 0], [number, number], [number, number], [0, 0]];
}

/** Padding and output size, from TensorFlow's definitions. */
function geometry({ size, kernel, strides, dilations, pad }: Convolution): { pads: Pads; out: [number, number] } {
  const reach = kernel.map((k, a) => (k - 1) * dilations[a] + 1);
  const around = [0, 1].map((a): [number, number] => {
    if (pad === 'valid') return [0, 0];
    if (typeof pad === 'number') return [pad, pad];
    if (Array.isArray(pad)) return pad[a + 1] as [number, number];
    const total = Math.max((Math.ceil(size[a] / strides[a]) - 1) * strides[a] + reach[a] - size[a], 0);
    return [Math.floor(total / 2), Math.ceil(total / 2)];
  });
  const out = [0, 1].map((a) => Math.floor((size[a] + around[a][0] + around[a][1] - reach[a]) / strides[a]) + 1);
  return {
    pads: { top: around[0][0], bottom: around[0][1], left: around[1][0], right: around[1][1] },
    out: [out[0], out[1]],
  };
}

function drawConvolution(random: Random, dilated: boolean): Convolution {
  const axis = (low: number, high: number): [number, number] => [
    low + random.integer(high - low + 1),
    low + random.integer(high - low + 1),
  ];
  const dilations: [number, number] = dilated ? axis(1, 3) : [1, 1];
  const common = {
    batch: 1 + random.integer(3),
    size: axis(10, 13),
    channels: 1 + random.integer(5),
    filters: 1 + random.integer(5),
  };
  // tfjs gives a number as padding its meaning for square filters only
  if (!dilated && random.integer(4) === 0) {
    const [kernel, stride] = axis(1, 3);
    return {
      ...common,
      kernel: [kernel, kernel],
      strides: [stride, stride],
      dilations,
      pad: random.integer(3),
    };
  }
  const pads: Convolution['pad'][] = ['same', 'valid', [[0, 0], axis(0, 3), axis(0, 3), [0, 0]]];
  return {
    ...common,
    kernel: axis(1, 4),
    strides: dilated ? [1, 1] : axis(1, 3),
    dilations,
    pad: pads[random.integer(3)],
  };
}

const at = (shape: number[], ...index: number[]) => index.reduce((offset, i, axis) => offset * shape[axis] + i, 0);

const conv2d = {
  filter(c: Convolution, x: Values, dy: Values) {
    const { pads, out } = geometry(c);
    const [xs, ys, ws] = [
      [c.batch, ...c.size, c.channels],
      [c.batch, ...out, c.filters],
      [...c.kernel, c.channels, c.filters],
    ];
    const result = new Float64Array(tf.util.sizeFromShape(ws));
    eachTap(c, pads, out, (b, y, xx, oy, ox, i, j) => {
      for (let ch = 0; ch < c.channels; ch++)
        for (let k = 0; k < c.filters; k++)
          result[at(ws, i, j, ch, k)] += x[at(xs, b, y, xx, ch)] * dy[at(ys, b, oy, ox, k)];
    });
    return result;
  },
  input(c: Convolution, w: Values, dy: Values) {
    const { pads, out } = geometry(c);
    const [xs, ys, ws] = [
      [c.batch, ...c.size, c.channels],
      [c.batch, ...out, c.filters],
      [...c.kernel, c.channels, c.filters],
    ];
    const result = new Float64Array(tf.util.sizeFromShape(xs));
    eachTap(c, pads, out, (b, y, xx, oy, ox, i, j) => {
      for (let ch = 0; ch < c.channels; ch++)
        for (let k = 0; k < c.filters; k++)
          result[at(xs, b, y, xx, ch)] += w[at(ws, i, j, ch, k)] * dy[at(ys, b, oy, ox, k)];
    });
    return result;
  },
};

const depthwise = {
  filter(c: Convolution, x: Values, dy: Values) {
    const { pads, out } = geometry(c);
    const [xs, ys, ws] = [
      [c.batch, ...c.size, c.channels],
      [c.batch, ...out, c.channels, c.filters],
      [...c.kernel, c.channels, c.filters],
    ];
    const result = new Float64Array(tf.util.sizeFromShape(ws));
    eachTap(c, pads, out, (b, y, xx, oy, ox, i, j) => {
      for (let ch = 0; ch < c.channels; ch++)
        for (let m = 0; m < c.filters; m++)
          result[at(ws, i, j, ch, m)] += x[at(xs, b, y, xx, ch)] * dy[at(ys, b, oy, ox, ch, m)];
    });
    return result;
  },
  input(c: Convolution, w: Values, dy: Values) {
    const { pads, out } = geometry(c);
    const [xs, ys, ws] = [
      [c.batch, ...c.size, c.channels],
      [c.batch, ...out, c.channels, c.filters],
      [...c.kernel, c.channels, c.filters],
    ];
    const result = new Float64Array(tf.util.sizeFromShape(xs));
    eachTap(c, pads, out, (b, y, xx, oy, ox, i, j) => {
      for (let ch = 0; ch < c.channels; ch++)
        for (let m = 0; m < c.filters; m++)
          result[at(xs, b, y, xx, ch)] += w[at(ws, i, j, ch, m)] * dy[at(ys, b, oy, ox, ch, m)];
    });
    return result;
  },
};

beforeAll(() => {
  register();
  return useBackend('wasm');
});

describe('gradients of convolutions', () => {
  const cases = (dilated: boolean) =>
    Array.from({ length: 30 }, (_, i) => drawConvolution(seeds.at(`shapes/${dilated}`, i), dilated));

  it.each(cases(false).map((c) => [JSON.stringify(c), c] as const))('conv2d %s', async (_, c) => {
    const random = seeds.stream('conv2d');
    const { out } = geometry(c);
    const x = drawn(random, [c.batch, ...c.size, c.channels]);
    const filter = drawn(random, [...c.kernel, c.channels, c.filters]);
    const dy = drawn(random, [c.batch, ...out, c.filters]);
    const attrs = { strides: c.strides, pad: c.pad, dataFormat: 'NHWC' };
    const filterGradient = run('Conv2DBackpropFilter', { x, dy }, { ...attrs, filterShape: filter.shape });
    await expectClose(filterGradient, conv2d.filter(c, x.dataSync(), dy.dataSync()));
    const inputGradient = run('Conv2DBackpropInput', { dy, filter }, { ...attrs, inputShape: x.shape });
    await expectClose(inputGradient, conv2d.input(c, filter.dataSync(), dy.dataSync()));
    expect(filterGradient.shape).toEqual(filter.shape);
    expect(inputGradient.shape).toEqual(x.shape);
    tf.dispose([x, filter, dy, filterGradient, inputGradient]);
  });

  it.each([...cases(false), ...cases(true)].map((c) => [JSON.stringify(c), c] as const))(
    'depthwise %s',
    async (_, c) => {
      const random = seeds.stream('depthwise');
      const { out } = geometry(c);
      const x = drawn(random, [c.batch, ...c.size, c.channels]);
      const filter = drawn(random, [...c.kernel, c.channels, c.filters]);
      const dy = drawn(random, [c.batch, ...out, c.channels * c.filters]);
      const attrs = { strides: c.strides, dilations: c.dilations, pad: c.pad };
      const filterGradient = run(
        'DepthwiseConv2dNativeBackpropFilter',
        { x, dy },
        { ...attrs, filterShape: filter.shape },
      );
      await expectClose(filterGradient, depthwise.filter(c, x.dataSync(), dy.dataSync()));
      const inputGradient = run(
        'DepthwiseConv2dNativeBackpropInput',
        { dy, filter },
        { ...attrs, inputShape: x.shape },
      );
      await expectClose(inputGradient, depthwise.input(c, filter.dataSync(), dy.dataSync()));
      expect(filterGradient.shape).toEqual(filter.shape);
      expect(inputGradient.shape).toEqual(x.shape);
      tf.dispose([x, filter, dy, filterGradient, inputGradient]);
    },
  );

  it('refuses NCHW by name', () => {
    const [x, dy] = [tf.zeros([1, 2, 4, 4]), tf.zeros([1, 3, 4, 4])];
    const attrs = { strides: 1, pad: 'same', dataFormat: 'NCHW', filterShape: [3, 3, 2, 3] };
    expect(() => tf.engine().runKernel('Conv2DBackpropFilter', { x, dy }, attrs)).toThrow(
      /Conv2DBackpropFilter does not support dataFormat 'NCHW'/,
    );
    tf.dispose([x, dy]);
  });
});

describe('reductions', () => {
  it.each([
    [[6, 5, 4, 3], [0, 1, 2], false],
    [[6, 5, 4, 3], [0, 1, 2], true],
    [[6, 5, 4, 3], [1, 2], false],
    [[6, 5, 4, 3], [1, 2], true],
    [[6, 5, 4, 3], [0, 2], false],
    [[6, 5, 4, 3], [3], true],
    [[6, 5, 4, 3], [0, 1, 2, 3], false],
    [[1, 7, 1, 3], [0, 1, 2], false],
    [[1, 1, 1, 3], [0, 1, 2], false],
    [[17, 10], [0], false],
    [[2, 3], [0], false],
    [[64, 33, 31, 5], [-4, -3, -2], false],
    [[5, 1, 3], [1], false],
  ])('%j over %j', async (shape, axis, keepDims) => {
    const x = drawn(seeds.stream('reductions'), shape);
    const axes = axis.map((a) => (a + shape.length) % shape.length);
    const kept = shape.map((size, i) => (axes.includes(i) ? 1 : size));
    const expected = new Float64Array(tf.util.sizeFromShape(kept));
    const values = x.dataSync();
    values.forEach((value, flat) => {
      const index = shape.map((size, i) => Math.floor(flat / tf.util.sizeFromShape(shape.slice(i + 1))) % size);
      expected[at(kept, ...index.map((j, i) => (axes.includes(i) ? 0 : j)))] += value;
    });
    const count = values.length / expected.length;
    const sum = run('Sum', { x }, { axis, keepDims });
    const mean = run('Mean', { x }, { axis, keepDims });
    expect(sum.shape).toEqual(keepDims ? kept : shape.filter((_, i) => !axes.includes(i)));
    expect(mean.shape).toEqual(sum.shape);
    await expectClose(sum, expected, { absolute: 1e-4 });
    await expectClose(
      mean,
      expected.map((total) => total / count),
    );
    expect(Array.from(x.dataSync())).toEqual(Array.from(values));
    tf.dispose([x, sum, mean]);
  });

  it('keeps seven digits over a million values around 1', async () => {
    const values = seeds
      .stream('million')
      .fill(new Float32Array(1 << 20), 'uniform')
      .map((value) => value + 1);
    const mean = tf.tidy(() => tf.mean(tf.tensor(values, [1 << 16, 16]), 0));
    const expected = new Float64Array(16);
    values.forEach((value, i) => (expected[i % 16] += value / (1 << 16)));
    await expectClose(mean, expected, { absolute: 0, relative: 5e-7 });
    mean.dispose();
  });

  it('sums integers as tfjs does', () => {
    const x = tf.tensor([1, 2, 3, 4, 5, 6], [3, 2], 'int32');
    const sum = run('Sum', { x }, { axis: [0], keepDims: false });
    expect(sum.dtype).toBe('int32');
    expect(Array.from(sum.dataSync())).toEqual([9, 12]);
    tf.dispose([x, sum]);
  });
});

describe('broadcasting', () => {
  const operations: Record<string, (a: number, b: number) => number> = {
    Add: (a, b) => a + b,
    Sub: (a, b) => a - b,
    Multiply: (a, b) => a * b,
    SquaredDifference: (a, b) => (a - b) ** 2,
  };

  it.each([
    [[4, 6, 6, 16], [16]],
    [[16], [4, 6, 6, 16]],
    [
      [3, 5, 7, 3],
      [1, 1, 1, 3],
    ],
    [
      [3, 5, 7, 3],
      [7, 3],
    ],
    [
      [3, 1, 7, 3],
      [3, 1, 1, 3],
    ],
    [[7, 11], [11]],
    [
      [1, 1, 1, 5],
      [4, 5],
    ],
    [[600, 2], [2]],
    [[3, 700], [700]],
    [
      [2, 3],
      [2, 3],
    ],
    [[2, 3], []],
  ])('%j with %j', async (aShape, bShape) => {
    const random = seeds.stream('broadcast');
    const [a, b] = [drawn(random, aShape), drawn(random, bShape)];
    const shape = tf.backend_util.assertAndGetBroadcastShape(aShape, bShape);
    const [av, bv] = [a.dataSync(), b.dataSync()];
    const pick = (values: Values, own: number[], flat: number) => {
      let offset = 0;
      own.forEach((size, axis) => {
        const global = axis + shape.length - own.length;
        const index = Math.floor(flat / tf.util.sizeFromShape(shape.slice(global + 1))) % shape[global];
        offset = offset * size + (size === 1 ? 0 : index);
      });
      return values[offset];
    };
    for (const [name, apply] of Object.entries(operations)) {
      const result = run(name, { a, b });
      expect(result.shape).toEqual(shape);
      await expectClose(
        result,
        Array.from({ length: tf.util.sizeFromShape(shape) }, (_, i) => apply(pick(av, aShape, i), pick(bv, bShape, i))),
      );
      result.dispose();
    }
    tf.dispose([a, b]);
  });

  it.each([
    [
      [1, 1, 1, 3],
      [2, 3, 4, 1],
    ],
    [
      [2, 3],
      [3, 2],
    ],
    [
      [4, 1],
      [1, 5],
    ],
    [
      [2, 1, 3],
      [1, 1, 1],
    ],
    [[5], [7]],
  ])('tiles %j by %j', (shape, reps) => {
    const x = drawn(seeds.stream('tile'), shape);
    const values = x.dataSync();
    const out = shape.map((size, i) => size * reps[i]);
    const expected = Array.from({ length: tf.util.sizeFromShape(out) }, (_, flat) => {
      const index = out.map((size, i) => Math.floor(flat / tf.util.sizeFromShape(out.slice(i + 1))) % size);
      return values[at(shape, ...index.map((j, i) => j % shape[i]))];
    });
    const result = tf.tile(x, reps);
    expect(result.shape).toEqual(out);
    expect(Array.from(result.dataSync())).toEqual(expected);
    tf.dispose([x, result]);
  });
});

describe('slices and joins', () => {
  const shape = [3, 4, 5, 6];
  const values = Float32Array.from({ length: 360 }, (_, i) => i);
  const element = (b: number, y: number, x: number, c: number) => at(shape, b, y, x, c);

  it.each([
    [
      [0, 0, 0, 0],
      [3, 4, 5, 6],
    ],
    [
      [1, 0, 0, 0],
      [2, 4, 5, 6],
    ],
    [
      [0, 1, 2, 0],
      [3, 3, 2, 6],
    ],
    [
      [1, 2, 3, 4],
      [2, 1, 2, 2],
    ],
    [
      [0, 3, 0, 1],
      [3, 1, 5, 4],
    ],
    [
      [0, 0, 0, 0],
      [0, 4, 5, 6],
    ],
  ])('slices from %j size %j', (begin, size) => {
    for (const dtype of ['float32', 'int32'] as const) {
      const x = tf.tensor(values, shape, dtype);
      const result = run('Slice', { x }, { begin, size });
      const expected: number[] = [];
      for (let b = 0; b < size[0]; b++)
        for (let y = 0; y < size[1]; y++)
          for (let xx = 0; xx < size[2]; xx++)
            for (let c = 0; c < size[3]; c++)
              expected.push(element(b + begin[0], y + begin[1], xx + begin[2], c + begin[3]));
      expect(result.shape).toEqual(size);
      expect(Array.from(result.dataSync())).toEqual(expected);
      tf.dispose([x, result]);
    }
  });

  it.each([0, 1, 2, 3])('splits, unstacks, joins and stacks along axis %i', (axis) => {
    const x = tf.tensor(values, shape);
    const ids = tf.backend().numDataIds();
    const cut = tf.split(x, [1, shape[axis] - 1], axis);
    const layers = tf.unstack(x, axis);
    expect(layers[1].shape).toEqual(shape.filter((_, i) => i !== axis));
    expect(layers[1].arraySync()).toEqual(
      tf.tidy(() =>
        tf
          .gather(x, tf.tensor1d([1], 'int32'), axis)
          .squeeze([axis])
          .arraySync(),
      ),
    );
    const [joined, stacked] = [tf.concat(cut, axis), tf.stack(layers, axis)];
    expect(joined.shape).toEqual(shape);
    expect(Array.from(joined.dataSync())).toEqual(Array.from(values));
    expect(Array.from(stacked.dataSync())).toEqual(Array.from(values));
    tf.dispose([...cut, ...layers, joined, stacked]);
    expect(tf.backend().numDataIds()).toBe(ids);
    x.dispose();
  });

  it('gathers within batches and refuses indices outside', () => {
    const x = tf.tensor(values, shape);
    const indices = tf.tensor([3, 0, 1, 1, 2, 3], [3, 2], 'int32');
    const result = run('GatherV2', { x, indices }, { axis: 1, batchDims: 1 });
    expect(result.shape).toEqual([3, 2, 5, 6]);
    const first = Array.from(result.dataSync()).filter((_, i) => i % 30 === 0);
    expect(first).toEqual([3, 0, 1, 1, 2, 3].map((y, i) => element(Math.floor(i / 2), y, 0, 0)));
    expect(() => tf.gather(x, tf.tensor1d([4], 'int32'), 1)).toThrow(/index value 4/);
    tf.dispose([x, indices, result]);
  });
});

describe('matrix products', () => {
  it.each([
    [[], []],
    [[1], [1]],
    [[5], [5]],
    [
      [2, 3],
      [2, 3],
    ],
    [[4], [1]],
    [[1], [4]],
  ])('batches %j and %j, transposed or not', async (batchA, batchB) => {
    const random = seeds.stream('matmul');
    const [m, k, n] = [3 + random.integer(4), 2 + random.integer(5), 2 + random.integer(5)];
    const count = tf.util.sizeFromShape;
    for (const [transposeA, transposeB] of [
      [false, false],
      [true, false],
      [false, true],
      [true, true],
    ]) {
      const a = drawn(random, [...batchA, ...(transposeA ? [k, m] : [m, k])]);
      const b = drawn(random, [...batchB, ...(transposeB ? [n, k] : [k, n])]);
      const [av, bv] = [a.dataSync(), b.dataSync()];
      const expected: number[] = [];
      for (let i = 0; i < Math.max(count(batchA), count(batchB)); i++)
        for (let row = 0; row < m; row++)
          for (let column = 0; column < n; column++) {
            const [ia, ib] = [(i % count(batchA)) * m * k, (i % count(batchB)) * n * k];
            let sum = 0;
            for (let inner = 0; inner < k; inner++)
              sum +=
                av[ia + (transposeA ? inner * m + row : row * k + inner)] *
                bv[ib + (transposeB ? column * k + inner : inner * n + column)];
            expected.push(sum);
          }
      const result = run('BatchMatMul', { a, b }, { transposeA, transposeB });
      expect(result.shape).toEqual([...(count(batchA) >= count(batchB) ? batchA : batchB), m, n]);
      await expectClose(result, expected);
      tf.dispose([a, b, result]);
    }
  });
});

describe('batch normalization', () => {
  it('normalizes per channel, with and without scale and offset', async () => {
    const random = seeds.stream('batch-norm');
    const x = drawn(random, [3, 4, 5, 6]);
    const [mean, scale, offset] = [drawn(random, [6]), drawn(random, [6]), drawn(random, [6])];
    const variance = tf.tidy(() => tf.square(drawn(random, [6])));
    const [v, m, s, o, xs] = [variance, mean, scale, offset, x].map((tensor) => tensor.dataSync());
    for (const full of [true, false]) {
      const result = run(
        'FusedBatchNorm',
        { x, mean, variance, ...(full ? { scale, offset } : {}) },
        { varianceEpsilon: 1e-3 },
      );
      await expectClose(
        result,
        Array.from(xs, (value, i) => {
          const c = i % 6;
          return ((value - m[c]) / Math.sqrt(v[c] + 1e-3)) * (full ? s[c] : 1) + (full ? o[c] : 0);
        }),
      );
      result.dispose();
    }
    tf.dispose([x, mean, variance, scale, offset]);
  });
});

describe('UnsortedSegmentSum', () => {
  it('adds rows by segment and drops ids outside', async () => {
    const x = tf.tensor([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [5, 2]);
    const segmentIds = tf.tensor([2, 0, 2, -1, 7], [5], 'int32');
    const result = run('UnsortedSegmentSum', { x, segmentIds }, { numSegments: 3 });
    expect(result.arraySync()).toEqual([
      [3, 4],
      [0, 0],
      [6, 8],
    ]);
    tf.dispose([x, segmentIds, result]);
  });
});

describe('registration', () => {
  it('can be repeated', () => {
    const before = tf.getKernel('Sum', 'wasm');
    register();
    expect(tf.getKernel('Sum', 'wasm')).toBe(before);
  });

  it('offers the backend as a part', async () => {
    const registry = new Registry().use(plugin);
    const scope = registry.createScope();
    const backend = await scope.create({ kind: 'backend', use: 'wasm', options: {} } as never, { registry });
    const { description } = await (backend as { start(): Promise<{ description: string }> }).start();
    expect(description).toMatch(/^tfjs wasm 4\.\d+\.\d+, (no )?SIMD, \d+ threads?$/);
    expect(tf.getBackend()).toBe('wasm');
  });
});
