import type { OnnxRuntimeBackend } from '../backend.js';
import type { Value } from '../recording.js';
import type { ConvolutionInfo } from './convolution-info.js';

/** Windows one tap after the other, for what is cheaper so than by patches. */
export interface Taps {
  /** What tap (i, j) of every window sees: [B, H′, W′, C] */
  at(i: number, j: number): Value;
}

/** @param outside what taps see outside of x [B, H, W, C] */
export function tapsOf(backend: OnnxRuntimeBackend, x: Value, info: ConvolutionInfo, outside: number): Taps {
  const { batchSize, inChannels, inHeight, inWidth, outHeight, outWidth } = info;
  const { top, left } = info.padInfo;
  const strides = [info.strideHeight, info.strideWidth];
  const spans = [(outHeight - 1) * strides[0] + 1, (outWidth - 1) * strides[1] + 1];
  const bottom = Math.max(0, spans[0] + info.effectiveFilterHeight - 1 - top - inHeight);
  const right = Math.max(0, spans[1] + info.effectiveFilterWidth - 1 - left - inWidth);
  const padded =
    top + left + bottom + right === 0
      ? x
      : backend.emit(
          'Pad',
          [x, backend.integers([0, top, left, 0, 0, bottom, right, 0]), backend.scalar(outside)],
          [batchSize, inHeight + top + bottom, inWidth + left + right, inChannels],
        );
  return {
    at(i, j) {
      const start = [i * info.dilationHeight, j * info.dilationWidth];
      const end = start.map((first, axis) => first + spans[axis]);
      const lists = [start, end, [1, 2], strides].map((list) => backend.integers(list));
      return backend.emit('Slice', [padded, ...lists], [batchSize, outHeight, outWidth, inChannels]);
    },
  };
}
