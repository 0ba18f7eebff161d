/**
 * The yardstick: tfjs's wasm backend 4.22 as published, with the kernels that training needs and it lacks filled in plainly, from
 * kernels it has. Not to be made faster, so that ratios to it stay comparable.
 */
import * as tf from '@tensorflow/tfjs';
import { version_wasm } from '@tensorflow/tfjs-backend-wasm';

export function registerStockWasm() {
  if (version_wasm !== '4.22.0') throw new Error(`the yardstick is tfjs wasm 4.22.0, not ${version_wasm}`);
  registerFromTensors('Conv2DBackpropFilter', conv2DBackpropFilter);
  registerFromTensors('DepthwiseConv2dNativeBackpropFilter', depthwiseBackpropFilter);
  registerFromTensors('DepthwiseConv2dNativeBackpropInput', depthwiseBackpropInput);
}

/** A kernel for wasm out of a function of tensors. */
function registerFromTensors(kernelName, compute) {
  tf.registerKernel({
    kernelName,
    backendName: 'wasm',
    kernelFunc: ({ inputs, attrs }) => {
      const engine = tf.engine();
      engine.startScope();
      const tensors = Object.fromEntries(
        Object.entries(inputs).map(([name, info]) => {
          tf.backend().incRef(info.dataId);
          return [name, engine.makeTensorFromTensorInfo(info)];
        }),
      );
      const { dataId, shape, dtype } = compute(tensors, attrs);
      tf.backend().incRef(dataId);
      engine.endScope();
      return { dataId, shape, dtype };
    },
  });
}

/** [K, K, C, F]: a slice and a product per tap. */
function conv2DBackpropFilter({ x, dy }, { strides, pad, filterShape }) {
  const info = tf.backend_util.computeConv2DInfo(x.shape, filterShape, strides, 1, pad);
  const [, , channels, filters] = filterShape;
  const gradient = tf.reshape(dy, [-1, filters]);
  const taps = mapTaps(x, info, (tap) => tf.matMul(tf.reshape(tap, [-1, channels]), gradient, true));
  return tf.reshape(tf.concat(taps), filterShape);
}

/** [K, K, C, 1]: a slice, a product and a sum per tap. */
function depthwiseBackpropFilter({ x, dy }, { strides, dilations, pad, filterShape }) {
  const info = tf.backend_util.computeConv2DInfo(x.shape, filterShape, strides, dilations, pad, undefined, true);
  return tf.reshape(tf.stack(mapTaps(x, info, (tap) => tf.sum(tf.mul(tap, dy), [0, 1, 2]))), filterShape);
}

/** A depthwise convolution of the output gradient, zeros put between its rows and columns for strides, with the flipped filter. */
function depthwiseBackpropInput({ dy, filter }, { strides, dilations, pad, inputShape }) {
  const info = tf.backend_util.computeConv2DInfo(inputShape, filter.shape, strides, dilations, pad, undefined, true);
  const [batch, height, width, channels] = inputShape;
  const { strideHeight, strideWidth, filterHeight, filterWidth, outHeight, outWidth } = info;
  const spread = tf.reshape(
    tf.pad(
      tf.reshape(dy, [batch * outHeight, 1, outWidth, channels]),
      [[0, 0], [0, strideHeight - 1], [0, 0], [0, (strideWidth - 1) * channels]], // prettier-ignore
    ),
    [batch, outHeight * strideHeight, outWidth * strideWidth, channels],
  );
  const top = filterHeight - 1 - info.padInfo.top;
  const left = filterWidth - 1 - info.padInfo.left;
  const padded = tf.pad(spread, [
    [0, 0],
    [top, Math.max(0, height + filterHeight - 1 - top - outHeight * strideHeight)],
    [left, Math.max(0, width + filterWidth - 1 - left - outWidth * strideWidth)],
    [0, 0],
  ]);
  const full = tf.depthwiseConv2d(padded, tf.reverse(filter, [0, 1]), 1, 'valid');
  return tf.slice(full, [0, 0, 0, 0], inputShape);
}

/** What `f` makes of the part of x that meets each tap of a filter, row by row. */
function mapTaps(x, info, f) {
  const { top, bottom, left, right } = info.padInfo;
  const padded = tf.pad(x, [[0, 0], [top, bottom], [left, right], [0, 0]]); // prettier-ignore
  const { batchSize, inChannels, outHeight, outWidth, strideHeight, strideWidth } = info;
  return Array.from({ length: info.filterHeight * info.filterWidth }, (_, tap) => {
    const [i, j] = [Math.floor(tap / info.filterWidth), tap % info.filterWidth];
    const end = [batchSize, i + (outHeight - 1) * strideHeight + 1, j + (outWidth - 1) * strideWidth + 1, inChannels];
    return f(tf.stridedSlice(padded, [0, i, j, 0], end, [1, strideHeight, strideWidth, 1]));
  });
}
