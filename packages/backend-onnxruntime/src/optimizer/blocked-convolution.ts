import type { RecordedNode, Value } from '../recording.js';
import { producer, type Rewriter, sameShape } from './rewriter.js';

/*
 * onnxruntime's convolutions are fastest on its own layout, channels in blocks of a vector register: [B, C / b, H, W, b]. It
 * takes that layout itself for filters that are constant; here filters that change are put in its order, [K / b, C / b, h, w,
 * c, k], at every run. [B, H, W, C] of C = b is in that layout as it is.
 */

const domain = 'com.microsoft.nchwc.';
const firstToLast = [0, 2, 3, 1];
const lastToFirst = [0, 3, 1, 2];

/**
 * A Conv on onnxruntime's blocked layout, its images taken from and given to channels-last values.
 *
 * @param block channels in a block
 * @returns the value of the Conv, or undefined where its channels do not fill blocks
 */
export function blockedConvolution(
  rewriter: Rewriter,
  { attributes, outputs: [output] }: RecordedNode,
  [images, filter, bias]: readonly (Value | undefined)[],
  block: number,
): Value | undefined {
  if (images!.shape.length !== 4 || images!.type !== 'float32') return undefined;
  const [batch, channels, height, width] = images!.shape;
  const [filters, depth, ...window] = filter!.shape;
  const group = (attributes.group as number | undefined) ?? 1;
  const depthwise = group > 1 && group === channels && group === filters && depth === 1;
  const few = group === 1 && channels < block;
  if (filters % block !== 0 || !(depthwise || few || (group === 1 && channels % block === 0))) return undefined;
  // onnxruntime does better with constant filters, over whole networks.
  if (rewriter.isFoldable(filter!)) return undefined;

  const last = producer(images!, 'Transpose');
  const pixels =
    last && sameShape(last.attributes.perm as number[], lastToFirst)
      ? last.inputs[0]!
      : rewriter.transpose(images!, firstToLast);
  const taken = few ? images! : blockedImages(rewriter, pixels, [batch, channels, height, width], block);
  const ordered = blockedFilter(rewriter, filter!, block, few || depthwise);
  const blocked = rewriter.emit(`${domain}Conv`, bias ? [taken, ordered, bias] : [taken, ordered], output.shape, {
    strides: [1, 1],
    dilations: [1, 1],
    ...attributes,
    kernel_shape: window,
    group,
  });
  const [, , outHeight, outWidth] = output.shape;
  const shape = [batch, outHeight, outWidth, filters];
  const result =
    filters === block
      ? rewriter.reshape(blocked, shape)
      : rewriter.emit(`${domain}ReorderOutput`, [blocked], shape, { channels: filters, channels_last: 1 });
  return rewriter.transpose(result, lastToFirst);
}

/** [B, H, W, C] in blocks of channels; it is called [B, C, H, W]. */
function blockedImages(rewriter: Rewriter, pixels: Value, shape: readonly number[], block: number): Value {
  if (shape[1] === block) return rewriter.reshape(pixels, shape);
  const before = producer(pixels, `${domain}ReorderOutput`);
  if (before) return before.inputs[0]!;
  return rewriter.emit(`${domain}ReorderInput`, [pixels], shape, { channels_last: 1 });
}

/** Filter [K, C, h, w] in blocks of K and, unless it is `shallow`, of C; it keeps its shape. */
function blockedFilter(rewriter: Rewriter, filter: Value, block: number, shallow: boolean): Value {
  // A filter is mostly a transposed one: both are one transpose.
  const before = producer(filter, 'Transpose');
  const source = before ? before.inputs[0]! : filter;
  const perm = before ? (before.attributes.perm as readonly number[]) : [0, 1, 2, 3];
  const split = source.shape.flatMap((size, axis) => {
    const blocked = axis === perm[0] || (axis === perm[1] && !shallow);
    return blocked ? [size / block, block] : [size];
  });
  const place = (axis: number): number =>
    source.shape.slice(0, axis).reduce((sum, _, each) => {
      return sum + (each === perm[0] || (each === perm[1] && !shallow) ? 2 : 1);
    }, 0);
  const [k, c, h, w] = perm.map(place);
  const order = shallow ? [k, c, h, w, k + 1] : [k, c, h, w, c + 1, k + 1];
  const ordered = rewriter.transpose(rewriter.reshape(source, split), order);
  return rewriter.reshape(ordered, filter.shape);
}
