import * as tf from '@tensorflow/tfjs';
import { InputError } from '@retort/core';

export interface GroupedConv2dOptions {
  /** Channels of x and of the result are cut into so many equal parts; each part of the result sees one part of x. */
  groups: number;
  /** 1 unless told. */
  strides?: number | [number, number];
  /** As in tf.conv2d; `same` unless told. */
  pad?: 'same' | 'valid' | number | tf.backend_util.ExplicitPadding;
  /** 1 unless told; where it is larger, strides are 1. */
  dilations?: number | [number, number];
}

/**
 * Attributes of the three kernels of the operator: `GroupedConv2D` of x and filter, `GroupedConv2DBackpropInput` of dy and filter
 * (with `inputShape`), `GroupedConv2DBackpropFilter` of x and dy (with `filterShape`). A backend may register kernels of its own
 * under these names; the others get the ones below.
 */
interface Attributes {
  strides: [number, number];
  pad: 'same' | 'valid' | number | tf.backend_util.ExplicitPadding;
  dilations: [number, number];
  groups: number;
}

type Inputs = Record<'x' | 'filter' | 'dy', tf.Tensor4D>;
type Kernel = (
  inputs: Inputs,
  attributes: Attributes & Record<'inputShape' | 'filterShape', [number, number, number, number]>,
) => tf.Tensor;

/**
 * Grouped convolution (Krizhevsky et al. 2012, §3.5; ResNeXt, Xie et al. 2017): channels [g·C/G, (g + 1)·C/G) of x give channels
 * [g·O/G, (g + 1)·O/G) of the result. One group is tf.conv2d, C groups are tf.depthwiseConv2d.
 *
 * @param x [B, H, W, C]
 * @param filter [h, w, C / groups, O]
 * @returns [B, H′, W′, O]
 * @throws InputError when the groups do not divide the channels, the shapes do not fit, or strides and dilations are both above 1
 */
export function groupedConv2d(
  x: tf.Tensor4D,
  filter: tf.Tensor4D,
  { groups, strides = 1, pad = 'same', dilations = 1 }: GroupedConv2dOptions,
): tf.Tensor4D {
  checkShapes(x.shape, filter.shape, groups);
  const pair = (value: number | [number, number]): [number, number] =>
    typeof value === 'number' ? [value, value] : value;
  const attributes: Attributes = { strides: pair(strides), pad, dilations: pair(dilations), groups };
  if (Math.max(...attributes.strides) > 1 && Math.max(...attributes.dilations) > 1) {
    throw new InputError(`groupedConv2d: strides ${attributes.strides} and dilations ${attributes.dilations}`, {
      hints: ['one of the two must be 1, as in tf.conv2d'],
    });
  }
  if (!tf.getGradient('GroupedConv2D')) tf.registerGradient(gradient);
  return run('GroupedConv2D', { x, filter }, attributes) as tf.Tensor4D;
}

function checkShapes(x: number[], filter: number[], groups: number): void {
  const [channels, filters] = [x[3], filter[3]];
  const divides = Number.isInteger(groups) && groups > 0 && channels % groups === 0 && filters % groups === 0;
  if (x.length === 4 && filter.length === 4 && divides && filter[2] === channels / groups) return;
  throw new InputError(`groupedConv2d: x [${x}] and filter [${filter}] do not fit ${groups} groups`, {
    hints: ['x is [B, H, W, C] and filter [h, w, C / groups, O]; groups divides C and O'],
  });
}

const gradient: tf.GradConfig = {
  kernelName: 'GroupedConv2D',
  inputsToSave: ['x', 'filter'],
  gradFunc: (dy, [x, filter], attributes) => ({
    x: () => run('GroupedConv2DBackpropInput', { dy: dy as tf.Tensor, filter }, { ...attributes, inputShape: x.shape }),
    filter: () =>
      run('GroupedConv2DBackpropFilter', { x, dy: dy as tf.Tensor }, { ...attributes, filterShape: filter.shape }),
  }),
};

/** Runs a kernel on the current backend, which gets ours if it has none of its own. */
function run(kernelName: keyof typeof kernels, inputs: tf.NamedTensorMap, attributes: object): tf.Tensor {
  const backendName = tf.getBackend();
  if (!tf.getKernel(kernelName, backendName)) {
    const kernel = kernels[kernelName];
    tf.registerKernel({
      kernelName,
      backendName,
      kernelFunc: ({ inputs, attrs }) => tf.tidy(() => kernel(inputs as unknown as Inputs, attrs as never)),
    });
  }
  return runKernel(kernelName, inputs, attributes);
}

function runKernel(name: string, inputs: tf.NamedTensorMap, attributes: object): tf.Tensor {
  return tf.engine().runKernel(name, inputs, attributes as tf.NamedAttrMap);
}

/** The operator by tfjs's own kernels: one convolution a group, or a depthwise one where every channel is a group. */
const kernels = {
  GroupedConv2D({ x, filter }, { groups, ...window }) {
    if (filter.shape[2] === 1) {
      return runKernel('DepthwiseConv2dNative', { x, filter: depthwise(filter, groups) }, window);
    }
    return groupByGroup(groups, [x, filter], (x, filter) => runKernel('Conv2D', { x, filter }, { ...window, ...last }));
  },

  GroupedConv2DBackpropInput({ dy, filter }, { groups, inputShape, dilations, ...window }) {
    // tfjs's gradients know no dilation: a dilated filter is a larger one with zeros in it.
    const taps = spread(filter, dilations);
    if (filter.shape[2] === 1) {
      const attributes = { ...window, dilations: [1, 1], inputShape };
      return runKernel('DepthwiseConv2dNativeBackpropInput', { dy, filter: depthwise(taps, groups) }, attributes);
    }
    const [batch, height, width, channels] = inputShape;
    const attributes = { ...window, ...last, inputShape: [batch, height, width, channels / groups] };
    return groupByGroup(groups, [dy, taps], (dy, filter) =>
      runKernel('Conv2DBackpropInput', { dy, filter }, attributes),
    );
  },

  GroupedConv2DBackpropFilter({ x, dy }, { groups, filterShape, dilations, ...window }) {
    const [height, width, channels, filters] = filterShape;
    const size = [(height - 1) * dilations[0] + 1, (width - 1) * dilations[1] + 1];
    const every = (gradient: tf.Tensor): tf.Tensor =>
      Math.max(...dilations) === 1
        ? gradient
        : gradient.stridedSlice([0, 0, 0, 0], gradient.shape, [...dilations, 1, 1]);
    if (channels === 1) {
      const attributes = { ...window, dilations: [1, 1], filterShape: [...size, groups, filters / groups] };
      return every(runKernel('DepthwiseConv2dNativeBackpropFilter', { x, dy }, attributes)).reshape(filterShape);
    }
    const attributes = { ...window, ...last, filterShape: [...size, channels, filters / groups] };
    return every(groupByGroup(groups, [x, dy], (x, dy) => runKernel('Conv2DBackpropFilter', { x, dy }, attributes)));
  },
} satisfies Record<string, Kernel>;

const last = { dataFormat: 'NHWC' };

/** Cuts the last axis of both tensors into groups, and joins what is made of them along the last axis. */
function groupByGroup(
  groups: number,
  tensors: [tf.Tensor, tf.Tensor],
  each: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor,
): tf.Tensor {
  if (groups === 1) return each(...tensors);
  const [a, b] = tensors.map((tensor) => tf.split(tensor, groups, 3));
  return tf.concat(
    a.map((part, group) => each(part, b[group])),
    3,
  );
}

/** Filter [h, w, 1, C · M] → [h, w, C, M]. */
function depthwise(filter: tf.Tensor, channels: number): tf.Tensor {
  const [height, width, , filters] = filter.shape;
  return filter.reshape([height, width, channels, filters / channels]);
}

/** [h, w, …] → [(h − 1) · d + 1, (w − 1) · d + 1, …] with zeros between the taps. */
function spread(filter: tf.Tensor, [vertical, horizontal]: [number, number]): tf.Tensor {
  if (vertical * horizontal === 1) return filter;
  const [height, width, channels, filters] = filter.shape;
  return filter
    .reshape([height, 1, width, channels * filters])
    .pad([
      [0, 0],
      [0, vertical - 1],
      [0, 0],
      [0, (horizontal - 1) * channels * filters],
    ]) // prettier-ignore
    .reshape([height * vertical, width * horizontal, channels, filters])
    .slice([0, 0, 0, 0], [(height - 1) * vertical + 1, (width - 1) * horizontal + 1, channels, filters]);
}
