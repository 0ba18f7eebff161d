import * as tf from '@tensorflow/tfjs';
import { composed } from './workspace.js';

interface PoolAttributes {
  filterSize: [number, number] | number;
  strides: [number, number] | number;
  pad: 'valid' | 'same' | number | tf.backend_util.ExplicitPadding;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

/**
 * Gradient of max pooling: dy goes to the first largest pixel of its window. tfjs 4.22's wasm kernel looks for the
 * largest positive one, so that windows of negative values lose their gradient or give it to a wrong pixel.
 */
export const maxPoolGrad = composed<{ dy: tf.TensorInfo; input: tf.TensorInfo }, PoolAttributes>(
  (workspace, { dy, input }, { filterSize, strides, pad, dimRoundingMode }) => {
    const info = tf.backend_util.computePool2DInfo(
      input.shape as [number, number, number, number],
      filterSize,
      strides,
      1,
      pad,
      dimRoundingMode,
    );
    const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth, padInfo } = info;
    const result = workspace.zeros(input.shape);
    const heap = workspace.heap();
    const [x, dx] = [workspace.start(input), workspace.start(result)];
    let read = workspace.start(dy);
    for (let b = 0; b < batchSize; b++) {
      for (let oy = 0; oy < outHeight; oy++) {
        const top = oy * info.strideHeight - padInfo.top;
        const [firstY, endY] = [Math.max(0, top), Math.min(inHeight, top + info.filterHeight)];
        for (let ox = 0; ox < outWidth; ox++) {
          const left = ox * info.strideWidth - padInfo.left;
          const [firstX, endX] = [Math.max(0, left), Math.min(inWidth, left + info.filterWidth)];
          for (let c = 0; c < inChannels; c++, read++) {
            let largest = -Infinity;
            let place = -1;
            for (let y = firstY; y < endY; y++) {
              let at = ((b * inHeight + y) * inWidth + firstX) * inChannels + c;
              for (let xx = firstX; xx < endX; xx++, at += inChannels) {
                if (heap[x + at] > largest) {
                  largest = heap[x + at];
                  place = at;
                }
              }
            }
            if (place >= 0) heap[dx + place] += heap[read];
          }
        }
      }
    }
    return result;
  },
);
