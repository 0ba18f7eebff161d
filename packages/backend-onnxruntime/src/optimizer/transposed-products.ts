import type { RecordedNode, Value } from '../recording.js';
import { producer, type Rewriter } from './rewriter.js';

/**
 * A product of batches of matrices in which transposed ones are read as they lie. onnxruntime makes the same of a Transpose and a
 * MatMul, but not where what is transposed comes out of another Transpose, as in attention: those become one first, which it runs
 * number by number.
 */
export function transposedProduct(
  rewriter: Rewriter,
  { outputs: [{ type, shape }] }: RecordedNode,
  inputs: readonly Value[],
): Value | undefined {
  const rank = shape.length;
  if (type !== 'float32' || rank < 3 || inputs.some((input) => input.shape.length !== rank)) return undefined;
  const upright = inputs.map(transposedSource);
  if (upright.every((source) => source === undefined)) return undefined;
  const [a, b] = upright.map((source, i) => source ?? inputs[i]);
  return rewriter.emit('com.microsoft.FusedMatMul', [a, b], shape, {
    transA: Number(upright[0] !== undefined),
    transB: Number(upright[1] !== undefined),
  });
}

/** What a value is with its last two axes swapped, if it was made so. */
function transposedSource(value: Value): Value | undefined {
  const before = producer(value, 'Transpose');
  if (!before) return undefined;
  const { length } = value.shape;
  const swapped = [...Array(length - 2).keys(), length - 1, length - 2];
  return (before.attributes.perm as readonly number[]).every((axis, i) => axis === swapped[i])
    ? before.inputs[0]!
    : undefined;
}
