import * as tf from '@tensorflow/tfjs';
import { composed, type KernelArguments } from './workspace.js';

/** Elements in a row from which XNNPACK runs at full speed. */
const WIDE = 1024;

interface Binary {
  a: tf.TensorInfo;
  b: tf.TensorInfo;
}

/**
 * How many times the shorter of two tensors, repeated along the leading axes, should be written out so that rows become
 * wide; 1 where nothing is to be gained.
 */
function repeats({ a, b }: Binary): number {
  if (a.dtype !== 'float32' || b.dtype !== 'float32') return 1;
  const [long, short] = tf.util.sizeFromShape(a.shape) >= tf.util.sizeFromShape(b.shape) ? [a, b] : [b, a];
  const inner = short.shape.slice(short.shape.findIndex((size) => size > 1));
  const width = tf.util.sizeFromShape(inner);
  const rows = tf.util.sizeFromShape(long.shape) / width;
  if (width < 2 || rows < 2 || width >= WIDE / 2 || short.shape.length > long.shape.length) return 1;
  if (!tf.util.arraysEqual(long.shape.slice(long.shape.length - inner.length), inner)) return 1;
  let count = Math.floor(WIDE / width);
  while (rows % count !== 0) count--;
  return count;
}

/** A binary kernel that is fast for [..., C] with [C]: C is repeated to wide rows first. */
export function wideBroadcast(
  stock: (args: KernelArguments) => tf.TensorInfo,
): (args: KernelArguments) => tf.TensorInfo {
  const wide = (count: number, backend: unknown) =>
    composed<Binary, object>((workspace, { a, b }) => {
      const aIsLong = tf.util.sizeFromShape(a.shape) >= tf.util.sizeFromShape(b.shape);
      const [long, short] = aIsLong ? [a, b] : [b, a];
      const width = tf.util.sizeFromShape(short.shape);
      const row = workspace.empty([count * width]);
      const values = workspace.values(row);
      for (let i = 0; i < count; i++) values.set(workspace.values(short), i * width);
      const matrix = workspace.reshape(long, [tf.util.sizeFromShape(long.shape) / (count * width), count * width]);
      const inputs = aIsLong ? { a: matrix, b: row } : { a: row, b: matrix };
      return workspace.reshape(workspace.own(stock({ inputs: { ...inputs }, backend })), long.shape);
    });
  return (args) => {
    const count = repeats(args.inputs as unknown as Binary);
    return count > 1 ? wide(count, args.backend)(args) : stock(args);
  };
}

/** Tile by block copies, innermost axis first. tfjs computes every element's place on its own. */
export const tile = composed<{ x: tf.TensorInfo }, { reps: number[] }>((workspace, { x }, { reps }) => {
  let current = x;
  const shape = [...x.shape];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const repeat = reps[axis];
    if (repeat === 1) continue;
    const block = tf.util.sizeFromShape(shape.slice(axis));
    shape[axis] *= repeat;
    const next = workspace.empty(shape);
    const heap = workspace.heap();
    const from = workspace.start(current);
    const to = workspace.start(next);
    const blocks = tf.util.sizeFromShape(shape) / (block * repeat);
    for (let i = 0; i < blocks; i++) {
      const start = to + i * block * repeat;
      if (block === 1) {
        heap.fill(heap[from + i], start, start + repeat);
        continue;
      }
      heap.copyWithin(start, from + i * block, from + (i + 1) * block);
      // doubling what is there already
      for (let done = block; done < block * repeat; done *= 2) {
        heap.copyWithin(start + done, start, start + Math.min(done, block * repeat - done));
      }
    }
    current = next;
  }
  return { ...current, shape };
});
