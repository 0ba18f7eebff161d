import type { RecordedNode, Value } from '../recording.js';
import { producer, type Rewriter, sameShape } from './rewriter.js';

const firstToLast = [0, 2, 3, 1];
const lastToFirst = [0, 3, 1, 2];

/** Windows of fewer pixels are left to convolutions. */
const fewestPixels = 16;

/**
 * A Conv whose windows lie side by side, as vision transformers cut images into patches: each pixel is seen once, and it is a product
 * of matrices, for which the filter needs no other order: two thirds of the time for patches of 32 by 32, the same for small ones.
 */
export function patchConvolution(
  rewriter: Rewriter,
  { attributes, outputs: [output] }: RecordedNode,
  [images, filter, bias]: readonly (Value | undefined)[],
): Value | undefined {
  if (output.type !== 'float32' || images!.shape.length !== 4) return undefined;
  const [batch, channels, height, width] = images!.shape;
  const [filters, depth, ...window] = filter!.shape;
  const [rows, columns] = window;
  const grid = [height / rows, width / columns];
  const sideBySide =
    sameShape((attributes.strides as number[] | undefined) ?? [1, 1], window) &&
    sameShape((attributes.dilations as number[] | undefined) ?? [1, 1], [1, 1]) &&
    ((attributes.pads as number[] | undefined) ?? []).every((pad) => pad === 0);
  const tiles = sideBySide && depth === channels && sameShape(output.shape, [batch, filters, ...grid]);
  if (!tiles || rows * columns < fewestPixels) return undefined;

  const last = producer(images!, 'Transpose');
  const pixels =
    last && sameShape(last.attributes.perm as number[], lastToFirst)
      ? last.inputs[0]!
      : rewriter.transpose(images!, firstToLast);
  const cut = rewriter.reshape(pixels, [batch, grid[0], rows, grid[1], columns, channels]);
  const [count, length] = [batch * grid[0] * grid[1], rows * columns * channels];
  const patches = rewriter.reshape(rewriter.transpose(cut, [0, 1, 3, 2, 4, 5]), [count, length]);
  const matrix = rewriter.reshape(rewriter.transpose(filter!, [2, 3, 1, 0]), [length, filters]);
  const product = rewriter.emit('Gemm', bias ? [patches, matrix, bias] : [patches, matrix], [count, filters]);
  return rewriter.transpose(rewriter.reshape(product, [batch, ...grid, filters]), lastToFirst);
}
