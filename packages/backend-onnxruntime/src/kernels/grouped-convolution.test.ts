import * as tf from '@tensorflow/tfjs';
import type { OnnxRuntimeBackend } from '../index.js';
import { expectValues, floats, type Input, runOn, runOnnx, useOnnxRuntime } from '../test-support/agreement.js';

// What groupedConv2d of @retort/nn computes with these kernels is tested there, against loops in float64 and with dilations.

type Shape4D = [number, number, number, number];

interface Window {
  strides: [number, number];
  pad: 'same' | 'valid' | number;
}

const cases: [number[], number[], number, Window][] = [
  [[2, 6, 5, 4], [3, 3, 2, 6], 2, { strides: [1, 1], pad: 'same' }],
  [[2, 7, 6, 6], [3, 2, 2, 9], 3, { strides: [2, 1], pad: 'same' }],
  [[1, 8, 7, 4], [2, 3, 1, 8], 4, { strides: [2, 3], pad: 'valid' }],
  [[2, 5, 6, 3], [1, 1, 3, 4], 1, { strides: [1, 1], pad: 1 }],
  [[2, 7, 7, 5], [3, 3, 1, 5], 5, { strides: [1, 1], pad: 'same' }],
];

const attributes = (groups: number, window: Window) => ({ ...window, dilations: [1, 1], groups });

function runKernel(name: string, inputs: tf.NamedTensorMap, more: object): tf.Tensor {
  return tf.engine().runKernel(name, inputs, more as tf.NamedAttrMap);
}

/** Convolutions of the groups side by side. */
function byGroup(x: tf.Tensor, filter: tf.Tensor, groups: number, { strides, pad }: Window): tf.Tensor {
  // tfjs has no gradient of a split in one.
  if (groups === 1) return tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, strides, pad);
  const [parts, filters] = [tf.split(x, groups, 3), tf.split(filter, groups, 3)];
  return tf.concat(
    parts.map((part, g) => tf.conv2d(part as tf.Tensor4D, filters[g] as tf.Tensor4D, strides, pad)),
    3,
  );
}

describe.each(cases)('grouped convolution of %j with %j in %j groups, %j', (xShape, filterShape, groups, window) => {
  beforeAll(useOnnxRuntime);
  const [x, filter] = [floats(1, xShape), floats(2, filterShape)];
  const { outShape } = tf.backend_util.computeConv2DInfo(
    xShape as Shape4D,
    filterShape as Shape4D,
    window.strides,
    1,
    window.pad,
  );
  const dy = floats(3, outShape);

  const expectSame = (
    inputs: Input[],
    ours: (...t: tf.Tensor[]) => tf.Tensor,
    theirs: (...t: tf.Tensor[]) => tf.Tensor,
  ) => {
    const [expected] = runOn('cpu', inputs, theirs);
    const [actual] = runOnnx(inputs, ours);
    expect(actual.shape).toEqual(expected.shape);
    expectValues(actual.values, expected.values, { absolute: 2e-5, relative: 1e-4 });
  };

  it('is that of each group', () =>
    expectSame(
      [x, filter],
      (x, filter) => runKernel('GroupedConv2D', { x, filter }, attributes(groups, window)),
      (x, filter) => byGroup(x, filter, groups, window),
    ));

  it.each(['x', 'filter'])('has the gradient of each group by %s', (by) =>
    expectSame(
      [x, filter, dy],
      (x, filter, dy) =>
        by === 'x'
          ? runKernel(
              'GroupedConv2DBackpropInput',
              { dy, filter },
              { ...attributes(groups, window), inputShape: xShape },
            )
          : runKernel('GroupedConv2DBackpropFilter', { x, dy }, { ...attributes(groups, window), filterShape }),
      (x, filter, dy) => {
        const variable = tf.variable(by === 'x' ? x : filter);
        const { grads } = tf.variableGrads(() => {
          const y = by === 'x' ? byGroup(variable, filter, groups, window) : byGroup(x, variable, groups, window);
          return y.mul(dy).sum() as tf.Scalar;
        }, [variable]);
        variable.dispose();
        return grads[variable.name];
      },
    ),
  );
});

describe('grouped convolution', () => {
  beforeAll(useOnnxRuntime);

  it('is one Conv', () => {
    const backend = tf.backend() as OnnxRuntimeBackend;
    backend.flush();
    tf.tidy(() => {
      const inputs = { x: tf.zeros([1, 4, 4, 6]), filter: tf.zeros([3, 3, 2, 9]) };
      const y = runKernel('GroupedConv2D', inputs, attributes(3, { strides: [1, 1], pad: 'same' }));
      const { nodes } = backend.pendingGraph([backend.value(y)], () => false);
      expect(nodes.map(({ op }) => op).filter((op) => op !== 'Transpose')).toEqual(['Conv']);
      expect(nodes.find(({ op }) => op === 'Conv')!.attributes.group).toBe(3);
    });
  });

  it('of no images gives none, and no gradient', () => {
    const more = attributes(2, { strides: [1, 1], pad: 'same' });
    const [y, dx, dFilter] = runOnnx([], () => {
      const [x, dy, filter] = [tf.zeros([0, 5, 5, 4]), tf.zeros([0, 5, 5, 6]), tf.ones([3, 3, 2, 6])];
      return [
        runKernel('GroupedConv2D', { x, filter }, more),
        runKernel('GroupedConv2DBackpropInput', { dy, filter }, { ...more, inputShape: x.shape }),
        runKernel('GroupedConv2DBackpropFilter', { x, dy }, { ...more, filterShape: filter.shape }),
      ];
    });
    expect([y.shape, dx.shape]).toEqual([[0, 5, 5, 6], [0, 5, 5, 4]]); // prettier-ignore
    expect(dFilter.values).toEqual(new Array(3 * 3 * 2 * 6).fill(0));
  });
});
