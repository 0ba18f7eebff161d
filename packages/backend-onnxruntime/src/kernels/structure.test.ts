import * as tf from '@tensorflow/tfjs';
import { Random } from '@retort/core';
import { register } from '../index.js';
import type { OnnxRuntimeBackend } from '../backend.js';

register();
// Silences tfjs's advertisement for its node backend.
tf.env().set('IS_TEST', true);

type Type = 'float32' | 'int32' | 'bool';
const types: Type[] = ['float32', 'int32', 'bool'];

/** Numbers that are ties, negative and repeated now and then, exact in float32. */
function draw(random: Random, shape: number[], type: Type): number[] {
  const count = tf.util.sizeFromShape(shape);
  return Array.from({ length: count }, () => {
    if (type === 'bool') return random.integer(2);
    return type === 'int32' ? random.integer(19) - 9 : (random.integer(33) - 16) / 4;
  });
}

function shapeOf(random: Random, rank: number): number[] {
  return Array.from({ length: rank }, () => 1 + random.integer(4));
}

interface Result {
  shape: number[];
  dtype: string;
  values: number[];
}

/** What `body` gives on a backend; it may only use the random numbers it is handed. */
async function on(name: string, seed: number, body: (random: Random) => tf.Tensor | tf.Tensor[]): Promise<Result[]> {
  await tf.setBackend(name);
  const outputs = tf.tidy(() => body(new Random([seed, 7])));
  const list = Array.isArray(outputs) ? outputs : [outputs];
  const results = list.map((tensor) => ({
    shape: tensor.shape,
    dtype: tensor.dtype,
    values: [...tensor.dataSync()],
  }));
  tf.dispose(list);
  return results;
}

type Case = (random: Random, x: (shape: number[]) => tf.Tensor, type: Type) => tf.Tensor | tf.Tensor[];

const indicesBelow = (random: Random, size: number, shape: number[]) =>
  tf.tensor(
    Array.from({ length: tf.util.sizeFromShape(shape) }, () => random.integer(size)),
    shape,
    'int32',
  );

const axisOf = (random: Random, rank: number) => random.integer(2 * rank) - rank;

/** A bool of tfjs may hold 2 where things were added up, which is true. */
const asTruth = (x: tf.Tensor) => (x.dtype === 'bool' ? x.toInt().greater(tf.scalar(0, 'int32')) : x);

/** An operation of each kernel on random shapes. Inputs are made by a recorded kernel now and then, so that they are pending. */
const cases: Record<string, Case> = {
  identity: (random, x) => x(shapeOf(random, random.integer(5))).clone(),
  reshape: (random, x) => x(shapeOf(random, 3)).reshape([-1]),
  expandDims: (random, x) => {
    const rank = random.integer(4);
    return x(shapeOf(random, rank)).expandDims(random.integer(rank + 1));
  },
  transpose: (random, x) => {
    const rank = random.integer(5);
    return x(shapeOf(random, rank)).transpose(random.shuffle(Array.from({ length: rank }, (_, axis) => axis)));
  },
  slice: (random, x) => {
    const shape = shapeOf(random, 1 + random.integer(4));
    const begin = shape.map((size) => random.integer(size));
    return x(shape).slice(
      begin,
      shape.map((size, axis) => random.integer(size - begin[axis] + 1)),
    );
  },
  'slice of rows': (random, x) => {
    const shape = [5, ...shapeOf(random, random.integer(3))];
    return x(shape).slice([random.integer(3)], [1 + random.integer(2)]);
  },
  stridedSlice: (random, x) => {
    const shape = shapeOf(random, 1 + random.integer(3));
    const strides = shape.map(() => [1, 2, -1, -2][random.integer(4)]);
    const bound = () => shape.map((size) => random.integer(2 * size + 2) - size - 1);
    const mask = () => random.integer(8);
    return tf.stridedSlice(x(shape), bound(), bound(), strides, mask(), mask(), 0, 0, 0);
  },
  'stridedSlice with a shrunk and a new axis': (random, x) => {
    const shape = shapeOf(random, 3);
    const begin = shape.map((size) => random.integer(size));
    const [newAxis, shrunk] = random.shuffle([1 << random.integer(3), 0]);
    return tf.stridedSlice(
      x(shape),
      begin,
      shape.map((size) => size + 1),
      [1, 1, 1],
      0,
      0,
      0,
      newAxis,
      shrunk,
    );
  },
  concat: (random, x) => {
    const shape = shapeOf(random, 1 + random.integer(3));
    const axis = random.integer(shape.length);
    return tf.concat(
      Array.from({ length: 1 + random.integer(3) }, () => x(shape.with(axis, 1 + random.integer(3)))),
      axis,
    );
  },
  stack: (random, x) => {
    const shape = shapeOf(random, random.integer(4));
    return tf.stack(
      Array.from({ length: 1 + random.integer(3) }, () => x(shape)),
      random.integer(shape.length + 1),
    );
  },
  unstack: (random, x) => {
    const shape = shapeOf(random, 1 + random.integer(3));
    return tf.unstack(x(shape), axisOf(random, shape.length));
  },
  split: (random, x) => {
    const sizes = Array.from({ length: 1 + random.integer(3) }, () => random.integer(3) + 1);
    const shape = [2, sizes.reduce((a, b) => a + b), 3];
    return tf.split(x(shape), sizes, 1);
  },
  pad: (random, x) => {
    const shape = shapeOf(random, 1 + random.integer(4));
    return tf.pad(
      x(shape),
      shape.map(() => [random.integer(3), random.integer(3)]),
      random.integer(2),
    );
  },
  mirrorPad: (random, x) => {
    const shape = shapeOf(random, 1 + random.integer(3));
    const mode = random.integer(2) ? 'reflect' : 'symmetric';
    const pads = (size: number) => random.integer(mode === 'reflect' ? size : size + 1);
    return tf.mirrorPad(
      x(shape),
      shape.map((size): [number, number] => [pads(size), pads(size)]),
      mode,
    );
  },
  tile: (random, x) => {
    const shape = shapeOf(random, 1 + random.integer(3));
    return x(shape).tile(shape.map(() => 1 + random.integer(3)));
  },
  'tile to nothing': (_, x) => x([2, 3]).tile([1, 0]),
  broadcastTo: (_, x) => x([1, 3, 1]).broadcastTo([2, 3, 4]),
  reverse: (random, x) => {
    const shape = shapeOf(random, random.integer(5));
    const axes = shape.map((_, axis) => axis).filter(() => random.integer(2));
    return x(shape).reverse(axes);
  },
  gather: (random, x) => {
    const shape = shapeOf(random, 1 + random.integer(3));
    const axis = random.integer(shape.length);
    return x(shape).gather(indicesBelow(random, shape[axis], shapeOf(random, random.integer(3))) as tf.Tensor1D, axis);
  },
  'gather in batches': (random, x) => {
    const shape = [3, ...shapeOf(random, 3)];
    const axis = 1 + random.integer(3);
    const batchDims = 1 + random.integer(axis);
    const indices = indicesBelow(random, shape[axis], [...shape.slice(0, batchDims), ...shapeOf(random, 1)]);
    return tf.gather(x(shape), indices as tf.Tensor1D, axis, batchDims);
  },
  gatherND: (random, x) => {
    const shape = [3, ...shapeOf(random, 2)];
    const depth = 1 + random.integer(3);
    const indices = tf.stack(
      shape.slice(0, depth).map((size) => indicesBelow(random, size, [4])),
      1,
    );
    return tf.gatherND(x(shape), indices);
  },
  scatterND: (random, x) => asTruth(tf.scatterND(indicesBelow(random, 2, [5, 2]), x([5, 3]), [2, 4, 3])),
  'scatterND into nothing': (random, x) => tf.scatterND(indicesBelow(random, 1, [5, 1]), x([5, 3]), [0, 3]),
  tensorScatterUpdate: (random, x) => tf.tensorScatterUpdate(x([4, 3]), indicesBelow(random, 4, [5, 1]), x([5, 3])),
  sparseToDense: (random, x, type) =>
    tf.sparseToDense(indicesBelow(random, 5, [4, 2]), x([4]), [5, 6], tf.scalar(1, type)),
  'sparseToDense of a scalar': (_, x, type) =>
    tf.sparseToDense(tf.tensor1d([1, 3], 'int32'), x([]), [5], tf.scalar(0, type)),
  oneHot: (random, _, type) =>
    tf.oneHot(indicesBelow(random, 7, shapeOf(random, random.integer(3))).sub(tf.scalar(1, 'int32')), 5, 1, 0, type),
  'oneHot of other numbers': (random, _, type) =>
    tf.oneHot(indicesBelow(random, 5, [4]), 3, 7, 0, type === 'bool' ? 'int32' : type),
  fill: (random, _, type) => tf.fill(shapeOf(random, random.integer(3)), type === 'bool' ? 1 : 5, type),
  zerosLike: (random, x) => tf.zerosLike(x(shapeOf(random, 2))),
  onesLike: (random, x) => tf.onesLike(x(shapeOf(random, 2))),
  range: (random) => tf.range(random.integer(9), random.integer(9), 1 + random.integer(2)),
  linspace: (random) => tf.linspace(random.integer(5), 9, 1 + random.integer(7)),
  topk: (random, x) => {
    const shape = shapeOf(random, 1 + random.integer(3));
    const { values, indices } = tf.topk(x(shape), 1 + random.integer(shape.at(-1)!));
    return [values, indices];
  },
  unsortedSegmentSum: (random, x) => {
    const shape = shapeOf(random, 1 + random.integer(3));
    const ids = indicesBelow(random, 6, [shape[0]]).sub(tf.scalar(1, 'int32'));
    return tf.unsortedSegmentSum(x(shape), ids as tf.Tensor1D, 4);
  },
  diag: (random, x) => tf.diag(x(shapeOf(random, 1 + random.integer(2)))),
  depthToSpace: (_, x) => tf.depthToSpace(x([2, 3, 2, 12]).toFloat() as tf.Tensor4D, 2, 'NHWC'),
  batchToSpaceND: (random, x) =>
    tf.batchToSpaceND(
      x([12, 2, 3, 2]),
      [2, 3],
      [
        [random.integer(2), 1],
        [1, random.integer(2)],
      ],
    ),
  spaceToBatchND: (_, x) =>
    tf.spaceToBatchND(
      x([2, 3, 4, 2]),
      [2, 3],
      [
        [0, 1],
        [1, 1],
      ],
    ),
};

describe.each(Object.entries(cases))('%s', (_, body) => {
  it.each(types)('gives what the cpu backend gives: %s', async (type) => {
    for (let seed = 0; seed < 12; seed++) {
      const run = (random: Random) => {
        const make = (shape: number[]) => {
          const values = tf.tensor(draw(random, shape, type), shape, type as 'float32');
          return random.integer(2) === 0 || type === 'bool' ? values : values.add(tf.scalar(1, type));
        };
        return body(random, make, type);
      };
      const [expected, actual] = [await on('cpu', seed, run), await on('onnxruntime', seed, run)];
      expect({ seed, actual }).toEqual({ seed, actual: expected });
    }
    expect((tf.backend() as OnnxRuntimeBackend).statistics().fallbacks).toEqual({});
  });
});
