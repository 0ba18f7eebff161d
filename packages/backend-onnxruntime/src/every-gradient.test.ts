import * as tf from '@tensorflow/tfjs';
import { backendName } from './kernel.js';
import { kernels } from './kernels/index.js';
import { drawing, type Draw } from './test-support/drawing.js';
import {
  expectGradientAgreement,
  expectValues,
  type Input,
  runOn,
  runOnnx,
  useOnnxRuntime,
} from './test-support/agreement.js';

/** Inputs to differentiate by, of shapes and numbers that a seed draws, and what is made of them. */
type Case = (draw: Draw) => { inputs: Input[]; compute: (...tensors: tf.Tensor[]) => tf.Tensor };

const seeds = [1, 2, 3];

function unary(op: (x: tf.Tensor) => tf.Tensor, low = -3, high = 3): Case {
  return (draw) => ({ inputs: [draw.floats(draw.shape(draw.integer(0, 4)), low, high)], compute: op });
}

/** Two inputs of a shape, for gradients of tfjs that know no broadcasting. */
function alike(op: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor): Case {
  return (draw) => {
    const shape = draw.shape(draw.integer(0, 4));
    return { inputs: [draw.floats(shape), draw.floats(shape)], compute: op };
  };
}

/** Two inputs that broadcast. */
function binary(op: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor, low = -3, high = 3): Case {
  return (draw) => {
    const shape = draw.shape(draw.integer(0, 4));
    const narrow = shape.slice(draw.integer(0, shape.length)).map((size) => (draw.integer(0, 2) ? size : 1));
    const shapes = draw.integer(0, 1) ? [shape, narrow] : [narrow, shape];
    return { inputs: shapes.map((each) => draw.floats(each, low, high)), compute: op };
  };
}

/** Over axes of its own choice. */
function reduction(op: (x: tf.Tensor, axes: number[], keepDims: boolean) => tf.Tensor): Case {
  return (draw) => {
    const shape = draw.shape(draw.integer(1, 4));
    const chosen = shape.map((_, axis) => axis).filter(() => draw.integer(0, 1));
    const axes = chosen.length > 0 ? chosen : [shape.length - 1];
    const keepDims = draw.integer(0, 1) === 1;
    return { inputs: [draw.floats(shape)], compute: (x) => op(x, axes, keepDims) };
  };
}

/** Along one axis, which is longer than 1. */
function along(op: (x: tf.Tensor, axis: number, draw: Draw) => tf.Tensor, { last = false } = {}): Case {
  return (draw) => {
    const shape = draw.shape(draw.integer(1, 4));
    const axis = last ? shape.length - 1 : draw.integer(0, shape.length - 1);
    const choice = draw.fixed();
    const inputs = [draw.floats(shape.with(axis, draw.integer(2, 5)))];
    return { inputs, compute: (x) => op(x, axis, choice()) };
  };
}

interface Images {
  size: [number, number];
  channels: number;
  filter: [number, number];
  strides: [number, number];
  pad: 'same' | 'valid' | number | tf.backend_util.ExplicitPadding;
}

/** Windows that fit the image, whatever the strides and pads. */
function images(draw: Draw, pads: 'all' | 'pooling' | 'transposed' = 'all'): Images {
  const pair = (low: number, high: number): [number, number] => [draw.integer(low, high), draw.integer(low, high)];
  const filter = pair(1, 4);
  const explicit: tf.backend_util.ExplicitPadding = [[0, 0], pair(0, 2), pair(0, 2), [0, 0]];
  const some = { all: ['same', 'valid', 1, explicit], pooling: ['same', 'valid'], transposed: ['same', 'valid'] }[pads];
  return {
    size: [filter[0] + draw.integer(0, 6), filter[1] + draw.integer(0, 6)],
    channels: draw.of(channelCounts),
    filter,
    strides: pair(1, 3),
    pad: draw.of(some as Images['pad'][]),
  };
}

/** Those that fill vector registers take other paths. */
const channelCounts = [1, 2, 3, 5, 8, 16, 32];

type Conv = (x: tf.Tensor4D, filter: tf.Tensor4D, images: Images) => tf.Tensor;

function convolution(op: Conv, outputs: (draw: Draw) => number): Case {
  return (draw) => {
    const found = images(draw);
    const { size, channels, filter } = found;
    const inputs = [
      draw.floats([draw.integer(1, 3), ...size, channels]),
      draw.floats([...filter, channels, outputs(draw)]),
    ];
    return { inputs, compute: (x, taps) => op(x as tf.Tensor4D, taps as tf.Tensor4D, found) };
  };
}

function pooling(op: (x: tf.Tensor4D, images: Images) => tf.Tensor): Case {
  return (draw) => {
    const found = images(draw, 'pooling');
    const inputs = [draw.floats([draw.integer(1, 3), ...found.size, found.channels])];
    return { inputs, compute: (x) => op(x as tf.Tensor4D, found) };
  };
}

/** A batch for each place in a block, with an image of as many pixels. */
const blocks = (draw: Draw) => {
  const block = [draw.integer(1, 3), draw.integer(1, 2)];
  const margins = block.map((): [number, number] => [draw.integer(0, 1), draw.integer(0, 1)]);
  return { block, margins };
};

const cases: Record<string, Case> = {
  Abs: unary(tf.abs),
  Acos: unary(tf.acos, -0.9, 0.9),
  Acosh: unary(tf.acosh, 1.2, 4),
  Asin: unary(tf.asin, -0.9, 0.9),
  Asinh: unary(tf.asinh),
  Atan: unary(tf.atan),
  Atanh: unary(tf.atanh, -0.9, 0.9),
  Cast: unary((x) => tf.cast(tf.cast(x, 'int32'), 'float32').add(x)),
  Ceil: unary(tf.ceil),
  ClipByValue: unary((x) => tf.clipByValue(x, -1, 2)),
  Cos: unary(tf.cos),
  Cosh: unary(tf.cosh),
  Elu: unary(tf.elu),
  Erf: unary(tf.erf),
  Exp: unary(tf.exp),
  ExpandDims: along((x, axis) => tf.expandDims(x, axis)),
  Expm1: unary(tf.expm1),
  Floor: unary(tf.floor),
  Identity: unary((x) => tf.clone(x)),
  IsFinite: unary((x) => tf.isFinite(x).toFloat()),
  IsInf: unary((x) => tf.isInf(x).toFloat()),
  IsNan: unary((x) => tf.isNaN(x).toFloat()),
  LeakyRelu: unary((x) => tf.leakyRelu(x, 0.3)),
  Log: unary(tf.log, 0.2, 4),
  Log1p: unary(tf.log1p, -0.8, 4),
  Neg: unary(tf.neg),
  OnesLike: unary((x) => tf.onesLike(x)),
  Reciprocal: unary(tf.reciprocal, 0.3, 3),
  Relu: unary(tf.relu),
  Relu6: unary(tf.relu6, -3, 9),
  Reshape: unary((x) => x.reshape([x.size])),
  Round: unary(tf.round),
  Rsqrt: unary(tf.rsqrt, 0.3, 4),
  Selu: unary(tf.selu),
  Sigmoid: unary(tf.sigmoid, -8, 8),
  Sign: unary(tf.sign),
  Sin: unary(tf.sin),
  Sinh: unary(tf.sinh),
  Softplus: unary(tf.softplus, -20, 20),
  Sqrt: unary(tf.sqrt, 0.2, 4),
  Square: unary(tf.square),
  Step: unary((x) => tf.step(x, 0.3)),
  Tan: unary(tf.tan, -1.2, 1.2),
  Tanh: unary(tf.tanh),
  ZerosLike: unary((x) => tf.zerosLike(x)),

  Add: binary(tf.add),
  Atan2: binary(tf.atan2, 0.3, 3),
  FloorDiv: binary((a, b) => tf.floorDiv(a, b).toFloat(), 0.3, 3),
  GreaterEqual: binary((a, b) => tf.greaterEqual(a, b).toFloat()),
  Maximum: alike(tf.maximum),
  Minimum: alike(tf.minimum),
  Mod: binary(tf.mod, 0.3, 3),
  Multiply: binary(tf.mul),
  Pow: binary(tf.pow, 0.3, 3),
  Prelu: (draw) => {
    const shape = draw.shape(4);
    return { inputs: [draw.floats(shape), draw.floats(shape.slice(1))], compute: (x, alpha) => tf.prelu(x, alpha) };
  },
  RealDiv: binary(tf.div, 0.3, 3),
  SquaredDifference: alike(tf.squaredDifference),
  Sub: binary(tf.sub),
  AddN: (draw) => {
    const shape = draw.shape(draw.integer(0, 4));
    const inputs = Array.from({ length: draw.integer(1, 4) }, () => draw.floats(shape));
    return { inputs, compute: (...tensors) => tf.addN(tensors) };
  },
  Select: (draw) => {
    const shape = draw.shape(3);
    const condition = draw.booleans(shape);
    const chosen = () => tf.tensor([...condition.values], shape, 'bool');
    return { inputs: [draw.floats(shape), draw.floats(shape)], compute: (a, b) => tf.where(chosen(), a, b) };
  },

  ArgMax: along((x, axis) => tf.argMax(x, axis).toFloat()),
  ArgMin: along((x, axis) => tf.argMin(x, axis).toFloat()),
  Max: reduction(tf.max),
  Mean: reduction(tf.mean),
  Min: reduction(tf.min),
  Prod: reduction(tf.prod),
  Sum: reduction(tf.sum),
  // Along other axes tfjs transposes the gradient the wrong way round.
  Cumsum: along((x, axis, draw) => tf.cumsum(x, axis, draw.integer(0, 1) === 1, draw.integer(0, 1) === 1), {
    last: true,
  }),
  Softmax: (draw) => ({ inputs: [draw.floats(draw.shape(draw.integer(1, 4)), -8, 8)], compute: (x) => tf.softmax(x) }),

  BatchMatMul: (draw) => {
    const [m, k, n] = draw.shape(3);
    const batch = draw.shape(draw.integer(0, 2));
    const [transposeA, transposeB] = [draw.integer(0, 1) === 1, draw.integer(0, 1) === 1];
    const a = draw.floats([...batch, ...(transposeA ? [k, m] : [m, k])]);
    const b = draw.floats([...batch, ...(transposeB ? [n, k] : [k, n])]);
    return { inputs: [a, b], compute: (a, b) => tf.matMul(a, b, transposeA, transposeB) };
  },
  Conv2D: convolution(
    (x, filter, { strides, pad }) => tf.conv2d(x, filter, strides, pad),
    (draw) => draw.of(channelCounts),
  ),
  DepthwiseConv2dNative: convolution(
    (x, filter, { strides, pad }) => tf.depthwiseConv2d(x, filter, strides, pad),
    (draw) => draw.integer(1, 3),
  ),
  Conv2DBackpropInput: (draw) => {
    const { size, channels, filter, strides, pad } = images(draw, 'transposed');
    const [batch, filters] = [draw.integer(1, 3), draw.of(channelCounts)];
    const small = size.map((each, axis) =>
      pad === 'same' ? Math.ceil(each / strides[axis]) : Math.ceil((each - filter[axis] + 1) / strides[axis]),
    );
    const shape: [number, number, number, number] = [batch, ...size, channels];
    return {
      inputs: [draw.floats([batch, ...small, filters]), draw.floats([...filter, channels, filters])],
      compute: (x, taps) => tf.conv2dTranspose(x as tf.Tensor4D, taps as tf.Tensor4D, shape, strides, pad as 'same'),
    };
  },
  FusedBatchNorm: (draw) => {
    const shape = draw.shape(4);
    const [channels] = shape.slice(-1);
    // tfjs has no gradient without offset and scale.
    const inputs = [draw.floats(shape), ...[-3, 0.2, -3, -3].map((low) => draw.floats([channels], low, 3))];
    return {
      inputs,
      compute: (x, mean, variance, scale, offset) =>
        tf.batchNorm(x, mean as tf.Tensor1D, variance as tf.Tensor1D, offset as tf.Tensor1D, scale as tf.Tensor1D),
    };
  },
  AvgPool: pooling((x, { filter, strides, pad }) => tf.avgPool(x, filter, strides, pad)),
  MaxPool: pooling((x, { filter, strides, pad }) => tf.maxPool(x, filter, strides, pad)),

  BatchToSpaceND: (draw) => {
    const { block, margins } = blocks(draw);
    const sizes = block.map((each, axis) => Math.ceil((margins[axis][0] + margins[axis][1] + 1) / each));
    const shape = [2 * block[0] * block[1], sizes[0] + 1, sizes[1] + 2, 3];
    return { inputs: [draw.floats(shape)], compute: (x) => tf.batchToSpaceND(x, block, margins) };
  },
  SpaceToBatchND: (draw) => {
    const { block, margins } = blocks(draw);
    const sizes = block.map((each, axis) => 2 * each - margins[axis][0] - margins[axis][1] + each);
    return { inputs: [draw.floats([2, ...sizes, 3])], compute: (x) => tf.spaceToBatchND(x, block, margins) };
  },
  Concat: (draw) => {
    const shape = draw.shape(draw.integer(1, 4));
    const axis = draw.integer(0, shape.length - 1);
    const inputs = Array.from({ length: draw.integer(2, 4) }, () => draw.floats(shape.with(axis, draw.integer(1, 4))));
    return { inputs, compute: (...tensors) => tf.concat(tensors, axis) };
  },
  SplitV: along((x, axis, draw) => {
    const size = x.shape[axis];
    const first = draw.integer(1, size - 1);
    const parts = tf.split(x, [first, size - first], axis);
    return parts.map((part, i) => part.mul(i + 2).sum(axis)).reduce((a, b) => a.add(b));
  }),
  Pack: (draw) => {
    const shape = draw.shape(draw.integer(0, 3));
    const inputs = Array.from({ length: draw.integer(1, 4) }, () => draw.floats(shape));
    const axis = draw.integer(0, shape.length);
    return { inputs, compute: (...tensors) => tf.stack(tensors, axis) };
  },
  Unpack: along((x, axis) =>
    tf
      .unstack(x, axis)
      .map((part, i) => part.mul(i + 2))
      .reduce((a, b) => a.add(b)),
  ),
  Slice: (draw) => {
    const shape = draw.shape(draw.integer(1, 4));
    const begin = shape.map((size) => draw.integer(0, size - 1));
    const size = shape.map((each, axis) => draw.integer(1, each - begin[axis]));
    return { inputs: [draw.floats(shape)], compute: (x) => tf.slice(x, begin, size) };
  },
  PadV2: (draw) => {
    const shape = draw.shape(draw.integer(1, 4));
    const paddings = shape.map((): [number, number] => [draw.integer(0, 2), draw.integer(0, 2)]);
    return { inputs: [draw.floats(shape)], compute: (x) => tf.pad(x, paddings, 1.5) };
  },
  // Of what is mirrored tfjs takes no account; it is the cpu backend's gradient all the same.
  MirrorPad: (draw) => {
    const shape = draw.shape(draw.integer(1, 4));
    const mode = draw.of(['reflect', 'symmetric'] as const);
    const most = (size: number) => (mode === 'reflect' ? size - 1 : size);
    const paddings = shape.map((size): [number, number] => [draw.integer(0, most(size)), draw.integer(0, most(size))]);
    return { inputs: [draw.floats(shape)], compute: (x) => tf.mirrorPad(x, paddings, mode) };
  },
  Tile: (draw) => {
    const shape = draw.shape(draw.integer(1, 4));
    const times = shape.map(() => draw.integer(1, 3));
    return { inputs: [draw.floats(shape)], compute: (x) => tf.tile(x, times) };
  },
  Transpose: (draw) => {
    const shape = draw.shape(draw.integer(1, 5));
    const permutation = draw.shuffled(shape.map((_, axis) => axis));
    return { inputs: [draw.floats(shape)], compute: (x) => tf.transpose(x, permutation) };
  },
  Reverse: reduction((x, axes) => tf.reverse(x, axes)),
  GatherV2: (draw) => {
    const shape = draw.shape(draw.integer(1, 4));
    const axis = draw.integer(0, shape.length - 1);
    const places = draw.shape(draw.integer(1, 2));
    const index = draw.integers(places, 0, shape[axis]);
    const indices = () => tf.tensor([...index.values], places, 'int32');
    return { inputs: [draw.floats(shape)], compute: (x) => tf.gather(x, indices(), axis) };
  },
  UnsortedSegmentSum: (draw) => {
    const shape = draw.shape(draw.integer(1, 3));
    const segments = draw.integer(1, 4);
    const index = draw.integers([shape[0]], 0, segments);
    const ids = () => tf.tensor1d([...index.values], 'int32');
    return { inputs: [draw.floats(shape)], compute: (x) => tf.unsortedSegmentSum(x, ids(), segments) };
  },
  OneHot: unary((x) => tf.oneHot(x.toInt(), 4).toFloat(), 0, 4),
};

/** Resizing is linear, and its gradient the transpose of it. The cpu backend gets this wrong where images shrink or are not square. */
const resizing: Record<string, (x: tf.Tensor4D, size: [number, number], alignCorners: boolean) => tf.Tensor4D> = {
  ResizeBilinear: tf.image.resizeBilinear,
  ResizeNearestNeighbor: tf.image.resizeNearestNeighbor,
};

/** Kernels with a gradient in tfjs that this backend does not record, or that no operator calls. */
const exceptions: Record<string, string> = {
  AvgPool3D: '3-D pooling runs on the cpu kernel',
  ComplexAbs: 'complex numbers run on the cpu kernel',
  Conv3D: '3-D convolution runs on the cpu kernel',
  Dilation2D: 'morphological dilation runs on the cpu kernel',
  LRN: 'local response normalization runs on the cpu kernel',
  MaxPool3D: '3-D pooling runs on the cpu kernel',
};

/** Operators whose gradient is no kernel's: tfjs gives it where it defines them. */
const operators: Record<string, Case> = {
  logSoftmax: (draw) => ({
    inputs: [draw.floats(draw.shape(draw.integer(1, 4)), -8, 8)],
    compute: (x) => tf.logSoftmax(x),
  }),
  'fused.matMul': (draw) => {
    const [m, k, n] = draw.shape(3);
    return {
      inputs: [draw.floats([m, k]), draw.floats([k, n]), draw.floats([n])],
      compute: (a, b, bias) => tf.fused.matMul({ a, b, bias }),
    };
  },
  'fused.conv2d': (draw) => {
    const { size, channels, filter, strides, pad } = images(draw);
    const filters = draw.integer(1, 4);
    return {
      inputs: [
        draw.floats([2, ...size, channels]),
        draw.floats([...filter, channels, filters]),
        draw.floats([filters]),
      ],
      compute: (x, taps, bias) =>
        tf.fused.conv2d({ x: x as tf.Tensor4D, filter: taps as tf.Tensor4D, strides, pad: pad as 'same', bias }),
    };
  },
  'fused.depthwiseConv2d': (draw) => {
    const { size, channels, filter, strides, pad } = images(draw, 'pooling');
    return {
      inputs: [draw.floats([2, ...size, channels]), draw.floats([...filter, channels, 2]), draw.floats([channels * 2])],
      compute: (x, taps, bias) =>
        tf.fused.depthwiseConv2d({
          x: x as tf.Tensor4D,
          filter: taps as tf.Tensor4D,
          strides,
          pad: pad as 'same',
          bias,
        }),
    };
  },
  moments: reduction((x, axes, keepDims) => {
    const { mean, variance } = tf.moments(x, axes, keepDims);
    return mean.add(variance.mul(2));
  }),
  norm: reduction((x, axes) => tf.norm(x, 'euclidean', axes.slice(0, 1))),
};

const tolerance = { absolute: 2e-5, relative: 2e-4 };

describe('gradients are those of the cpu backend, recorded throughout', () => {
  beforeAll(useOnnxRuntime);

  it.each(Object.keys(cases))('%s', (kernel) => {
    // That the case goes through the gradient of the kernel is part of the test.
    const config = tf.getGradient(kernel);
    const { gradFunc } = config;
    let calls = 0;
    config.gradFunc = (...args) => {
      calls++;
      return gradFunc(...args);
    };
    try {
      for (const seed of seeds) {
        const { inputs, compute } = cases[kernel](drawing(`${kernel} ${seed}`));
        expectGradientAgreement(inputs, compute, tolerance);
      }
    } finally {
      config.gradFunc = gradFunc;
    }
    expect(calls).toBeGreaterThan(0);
  });

  it.each(Object.keys(operators))('tf.%s', (operator) => {
    for (const seed of seeds) {
      const { inputs, compute } = operators[operator](drawing(`${operator} ${seed}`));
      expectGradientAgreement(inputs, compute, tolerance);
    }
  });

  it.each(Object.keys(resizing))('%s, as the transpose of what the cpu backend computes', (kernel) => {
    const resize = resizing[kernel];
    for (const alignCorners of [false, true])
      for (const seed of seeds) {
        const draw = drawing(`${kernel} ${seed}`);
        const [height, width] = draw.shape(2);
        const size: [number, number] = [draw.integer(1, 8), draw.integer(1, 8)];
        const dy = draw.floats([1, ...size, 1]);
        // One image for every pixel: the columns of the linear map.
        const pixels = height * width;
        const [columns] = runOn('cpu', [], () =>
          resize(tf.eye(pixels).reshape([pixels, height, width, 1]), size, alignCorners),
        );
        const count = size[0] * size[1];
        const expected = Array.from({ length: pixels }, (_, pixel) =>
          dy.values.reduce((sum, each, i) => sum + each * columns.values[pixel * count + i], 0),
        );
        const [actual] = runOnnx([draw.floats([1, height, width, 1]), dy], (x, gradient) => {
          const variable = tf.variable(x);
          const { grads } = tf.variableGrads(() => {
            const y = resize(variable as tf.Tensor as tf.Tensor4D, size, alignCorners);
            return tf.sum(tf.mul(y, gradient));
          }, [variable]);
          variable.dispose();
          return grads[variable.name];
        });
        expectValues(actual.values, expected, tolerance);
      }
  });

  it('covers every kernel with a gradient', () => {
    const differentiable = tf
      .getKernelsForBackend(backendName)
      .map(({ kernelName }) => kernelName)
      .filter((name) => tf.getGradient(name));
    const listed = [cases, resizing, exceptions].flatMap((each) => Object.keys(each));
    expect(listed.sort()).toEqual(differentiable.sort());
    const recorded = new Set(kernels.map(({ name }) => name));
    expect(Object.keys(exceptions).filter((name) => recorded.has(name))).toEqual([]);
  });
});
