import type { RecordedNode, Value } from '../recording.js';
import { producer, type Rewriter, sameShape, sizeOf, unshaped } from './rewriter.js';

/**
 * x · σ(αx) and x · Φ(x) as onnxruntime's operators for them, which keep what is between in its cache. Only where nothing else reads
 * what is between: a gradient does.
 *
 * @param node a product
 * @param inputs its inputs in the graph under construction
 * @param numberOf the number of a value that is one and does not change
 * @param isUsedOnce whether one node alone reads what the given one reads
 */
export function gate(
  rewriter: Rewriter,
  { op, inputs: originals, outputs: [{ type, shape }] }: RecordedNode,
  inputs: readonly Value[],
  numberOf: (value: Value) => number | undefined,
  isUsedOnce: (value: Value) => boolean,
): Value | undefined {
  if (op !== 'Mul' || type !== 'float32') return undefined;
  const between = { numberOf, isUsedOnce };
  for (const place of [0, 1]) {
    const [x, open] = [originals[place]!, originals[1 - place]!];
    if (sizeOf(x.shape) !== sizeOf(shape)) continue;
    const alpha = logisticGate(x, open, between);
    if (alpha !== undefined) {
      return rewriter.emit('com.microsoft.QuickGelu', [inputs[place]], shape, { alpha: { float: alpha } });
    }
    if (isNormalGate(x, open, between)) return rewriter.emit('com.microsoft.Gelu', [inputs[place]], shape);
  }
  return undefined;
}

interface Between {
  numberOf: (value: Value) => number | undefined;
  isUsedOnce: (value: Value) => boolean;
}

/** α if a value is σ(αx), kept within ±1. */
function logisticGate(x: Value, value: Value, between: Between): number | undefined {
  const clip = step(value, 'Clip', between);
  const sigmoid = clip && step(clip.inputs[0]!, 'Sigmoid', between);
  return sigmoid && factorOf(x, sigmoid.inputs[0]!, 'Mul', between);
}

/** Whether a value is Φ(x) = ½ (1 + erf(x / √2)). */
function isNormalGate(x: Value, value: Value, between: Between): boolean {
  const half = withNumber(value, 'Mul', 0.5, between);
  const one = half && withNumber(half, 'Add', 1, between);
  const erf = one && step(one, 'Erf', between);
  const divisor = erf && factorOf(x, erf.inputs[0]!, 'Div', between);
  return divisor === Math.fround(Math.SQRT2);
}

/** The node that makes a value, if it is of this kind and its result is read once. */
function step(value: Value, op: string, { isUsedOnce }: Between): RecordedNode | undefined {
  return isUsedOnce(value) ? producer(value, op) : undefined;
}

/** The other operand of a sum or product with this number. */
function withNumber(value: Value, op: 'Add' | 'Mul', number: number, between: Between): Value | undefined {
  const inputs = (step(value, op, between)?.inputs ?? []) as readonly Value[];
  const place = inputs.findIndex((input) => between.numberOf(input) === number);
  return place < 0 ? undefined : inputs[1 - place];
}

/** The number that x is multiplied with, or divided by, to give a value. */
function factorOf(x: Value, value: Value, op: 'Mul' | 'Div', between: Between): number | undefined {
  const inputs = (step(value, op, between)?.inputs ?? []) as readonly Value[];
  const place = inputs.findIndex((input) => isSame(input, x));
  if (place < 0 || (op === 'Div' && place === 1)) return undefined;
  return between.numberOf(inputs[1 - place]);
}

/** Whether two values are the same numbers: a tensor that was reshaped is recorded so wherever it is read. */
function isSame(a: Value, b: Value): boolean {
  return a === b || (sameShape(a.shape, b.shape) && unshaped(a) === unshaped(b));
}
