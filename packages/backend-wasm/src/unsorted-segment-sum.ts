import * as tf from '@tensorflow/tfjs';
import { composed } from './workspace.js';

/**
 * Sums the rows of x [N, ...] that share a segment: result [numSegments, ...]. Rows whose id lies outside are dropped.
 */
export const unsortedSegmentSum = composed<{ x: tf.TensorInfo; segmentIds: tf.TensorInfo }, { numSegments: number }>(
  (workspace, { x, segmentIds }, { numSegments }) => {
    if (x.dtype !== 'float32') throw new Error(`wasm backend UnsortedSegmentSum needs float32, not ${x.dtype}.`);
    const rank = segmentIds.shape.length;
    const shape = [numSegments, ...x.shape.slice(rank)];
    const width = tf.util.sizeFromShape(x.shape.slice(rank));
    const result = workspace.zeros(shape);
    const heap = workspace.heap();
    const ids = workspace.integers(segmentIds);
    const [from, to] = [workspace.start(x), workspace.start(result)];
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i];
      if (id < 0 || id >= numSegments) continue;
      const [read, write] = [from + i * width, to + id * width];
      for (let c = 0; c < width; c++) heap[write + c] += heap[read + c];
    }
    return result;
  },
);
