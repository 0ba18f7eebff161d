import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { groupedConv2d, type GroupedConv2dOptions } from './grouped-conv2d.js';
import { type GroupedCase, groupedCases, groupedReference } from './test-support/grouped-reference.js';
import { numbers } from './test-support/numbers.js';

type Shape4D = [number, number, number, number];

const numbersOf = ({ x, filter }: GroupedCase) => ({
  x0: numbers('x', tf.util.sizeFromShape(x)),
  filter0: numbers('filter', tf.util.sizeFromShape(filter)),
});

const variablesOf = (each: GroupedCase) =>
  tf.tidy(() => {
    const { x0, filter0 } = numbersOf(each);
    return {
      x: tf.variable(tf.tensor4d(x0, each.x)) as tf.Variable<tf.Rank.R4>,
      filter: tf.variable(tf.tensor4d(filter0, each.filter)) as tf.Variable<tf.Rank.R4>,
    };
  });

describeEachBackend('groupedConv2d', () => {
  it.each(groupedCases)('of %j is the sum written out in float64, and so are its gradients', async (each) => {
    const { x0, filter0 } = numbersOf(each);
    const { x, filter } = variablesOf(each);
    const written = groupedReference(each, x0, filter0);
    const dy0 = numbers('dy', written.y.length);
    const expected = groupedReference(each, x0, filter0, dy0);
    const y = groupedConv2d(x, filter, each);
    expect(y.shape).toEqual(written.shape);
    await expectClose(y, written.y);
    const { value, grads } = tf.variableGrads(
      () => groupedConv2d(x, filter, each).mul(tf.tensor4d(dy0, written.shape)).sum() as tf.Scalar,
      [x, filter],
    );
    await expectClose(grads[x.name], expected.dx, { absolute: 1e-4 });
    await expectClose(grads[filter.name], expected.dFilter, { absolute: 1e-4 });
    expect(grads[filter.name].shape).toEqual(each.filter);
    tf.dispose([x, filter, y, value, grads]);
  });

  it('is tf.conv2d with one group', async () => {
    const x = tf.tensor4d(numbers('x', 2 * 7 * 6 * 4), [2, 7, 6, 4]);
    const filter = tf.tensor4d(numbers('filter', 9 * 4 * 5), [3, 3, 4, 5]);
    const actual = groupedConv2d(x, filter, { groups: 1, strides: 2, pad: 'same' });
    await expectClose(actual, tf.conv2d(x, filter, 2, 'same'), { absolute: 0, relative: 0 });
  });

  it('is tf.depthwiseConv2d with a group for every channel', async () => {
    const x = tf.tensor4d(numbers('x', 2 * 7 * 6 * 4), [2, 7, 6, 4]);
    const filter = tf.tensor4d(numbers('filter', 9 * 4 * 3), [3, 3, 1, 12]);
    const actual = groupedConv2d(x, filter, { groups: 4, pad: 'valid', dilations: 2 });
    const expected = tf.depthwiseConv2d(x, filter.reshape([3, 3, 4, 3]), 1, 'valid', 'NHWC', 2);
    await expectClose(actual, expected, { absolute: 0, relative: 0 });
  });

  it.each<[Shape4D, Shape4D, GroupedConv2dOptions, RegExp]>([
    [[1, 4, 4, 6], [3, 3, 2, 6], { groups: 4 }, /x \[1,4,4,6\] and filter \[3,3,2,6\] do not fit 4 groups/],
    [[1, 4, 4, 6], [3, 3, 2, 4], { groups: 3 }, /do not fit 3 groups/],
    [[1, 4, 4, 6], [3, 3, 6, 6], { groups: 3 }, /do not fit 3 groups/],
    [[1, 4, 4, 6], [3, 3, 2, 6], { groups: 0 }, /do not fit 0 groups/],
    [[1, 4, 4, 6], [3, 3, 2, 6], { groups: 3, strides: 2, dilations: 2 }, /strides 2,2 and dilations 2,2/],
  ])('refuses x %j with filter %j and %j', (x, filter, options, message) => {
    const call = () => groupedConv2d(tf.zeros(x), tf.zeros(filter), options);
    expect(() => tf.tidy(call)).toThrow(message);
  });

  it('leaves no tensors, under a gradient too', () =>
    expectNoLeak(() => {
      for (const each of groupedCases) {
        const { x, filter } = variablesOf(each);
        const { value, grads } = tf.variableGrads(() => groupedConv2d(x, filter, each).sum() as tf.Scalar, [x, filter]);
        tf.dispose([x, filter, value, grads]);
      }
    }));
});
