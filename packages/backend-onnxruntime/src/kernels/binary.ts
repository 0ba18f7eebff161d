import * as tf from '@tensorflow/tfjs';
import type { OnnxRuntimeBackend } from '../backend.js';
import type { OnnxKernel } from '../kernel.js';
import type { ElementType } from '../onnx-model.js';
import type { Value } from '../recording.js';
import { apply, arithmetic, castTo, convert, filled, result, truncate } from './expression.js';

type Binary = { a: tf.TensorInfo; b: tf.TensorInfo };
/** Two values of one type, float32 or int32, that broadcast. */
type BinaryRecorder = (backend: OnnxRuntimeBackend, a: Value, b: Value) => Value;

/** The arithmetic that has a complex form, part by part. */
const complexForms: Record<string, (backend: OnnxRuntimeBackend, a: Value[], b: Value[]) => Value[]> = {
  [tf.Add]: (backend, a, b) => a.map((part, i) => apply(backend, 'Add', [part, b[i]])),
  [tf.Sub]: (backend, a, b) => a.map((part, i) => apply(backend, 'Sub', [part, b[i]])),
  [tf.Multiply]: (backend, a, b) => {
    const product = (i: number, j: number) => apply(backend, 'Mul', [a[i], b[j]]);
    return [
      apply(backend, 'Sub', [product(0, 0), product(1, 1)]),
      apply(backend, 'Add', [product(0, 1), product(1, 0)]),
    ];
  },
};

function complexParts(backend: OnnxRuntimeBackend, tensor: tf.TensorInfo): Value[] {
  if (tensor.dtype !== 'complex64') {
    const real = convert(backend, backend.value(tensor), 'float32');
    return [real, filled(backend, [], 0)];
  }
  const { real, imag } = backend.complexParts(tensor.dataId);
  return [real, imag].map((part) => backend.value({ ...part, shape: tensor.shape }));
}

/** A kernel with two inputs, in the type of the first. Booleans are counted with, as integers. */
function binary(name: string, record: BinaryRecorder, gives?: ElementType): OnnxKernel {
  return arithmetic<Binary>(
    name,
    ({ a, b }, _, backend) => {
      if (a.dtype === 'complex64' || b.dtype === 'complex64') {
        const parts = complexForms[name](backend, complexParts(backend, a), complexParts(backend, b));
        const [real, imag] = parts.map((part) => result(backend, part));
        return backend.makeComplex(real, imag);
      }
      const values = [backend.value(a), backend.value(b)];
      const type = a.dtype === 'float32' ? 'float32' : 'int32';
      const [first, second] = values.map((value) => convert(backend, value, type));
      return result(backend, castTo(backend, record(backend, first, second), gives ?? values[0].type));
    },
    { complex: name in complexForms },
  );
}

function operator(name: string, op: string): OnnxKernel {
  return binary(name, (backend, a, b) => apply(backend, op, [a, b]));
}

/**
 * Integers by which the processor may divide, and where they stand in for −1, 0 or 1: dividing by 0, or the least integer by −1, ends
 * the process.
 */
function divisor(backend: OnnxRuntimeBackend, b: Value, substitute: number): { safe: Value; unit: Value } {
  const unit = apply(
    backend,
    'And',
    [
      apply(backend, 'Less', [b, backend.scalar(2, 'int32')], 'bool'),
      apply(backend, 'Greater', [b, backend.scalar(-2, 'int32')], 'bool'),
    ],
    'bool',
  );
  return { unit, safe: apply(backend, 'Where', [unit, backend.scalar(substitute, 'int32'), b], 'int32') };
}

/** a / b towards zero (`floor` false) or towards −∞; 0 where b is 0, as Infinity becomes in an Int32Array. */
function integerDivision(backend: OnnxRuntimeBackend, a: Value, b: Value, floor: boolean): Value {
  const { safe, unit } = divisor(backend, b, 2);
  let quotient = apply(backend, 'Div', [a, safe]);
  if (floor) {
    const remainder = apply(backend, 'Sub', [a, apply(backend, 'Mul', [quotient, safe])]);
    // The remainder has a's sign; where b's is the other one, the quotient was rounded up.
    const negative = (value: Value) => apply(backend, 'Less', [value, backend.scalar(0, 'int32')], 'bool');
    const opposite = apply(backend, 'Xor', [negative(a), negative(safe)], 'bool');
    const inexact = apply(backend, 'Not', [apply(backend, 'Equal', [remainder, backend.scalar(0, 'int32')], 'bool')]);
    const roundedUp = apply(backend, 'And', [opposite, inexact], 'bool');
    quotient = apply(backend, 'Sub', [quotient, convert(backend, roundedUp, 'int32')]);
  }
  return apply(backend, 'Where', [unit, apply(backend, 'Mul', [a, b]), quotient], 'int32');
}

/** The remainder with b's sign; a % 0 is NaN, which is 0 among integers. */
function modulo(backend: OnnxRuntimeBackend, a: Value, b: Value): Value {
  if (a.type === 'int32') return apply(backend, 'Mod', [a, divisor(backend, b, 1).safe], 'int32', { fmod: 0 });
  const remainder = apply(backend, 'Mod', [a, b], 'float32', { fmod: 1 });
  const negative = (value: Value) => apply(backend, 'Less', [value, backend.scalar(0)], 'bool');
  const opposite = apply(backend, 'Xor', [negative(a), negative(b)], 'bool');
  const moved = apply(backend, 'Mod', [apply(backend, 'Add', [remainder, b]), b], 'float32', { fmod: 1 });
  return apply(backend, 'Where', [opposite, moved, remainder], 'float32');
}

/** The angle of (b, a), from that of (|b|, |a|), which is in [0, π/2]; signed zeros and infinities as in Math.atan2. */
function atan2(backend: OnnxRuntimeBackend, a: Value, b: Value): Value {
  const largest = 3.4028234663852886e38;
  // Infinity / Infinity has no angle; the largest number stands in for it.
  const bounded = (value: Value) => apply(backend, 'Clip', [value, backend.scalar(-largest), backend.scalar(largest)]);
  const [y, x] = [bounded(a), bounded(b)];
  const [absY, absX] = [apply(backend, 'Abs', [y]), apply(backend, 'Abs', [x])];
  // 1/−0 is −∞: it tells −0 from 0.
  const negative = (value: Value) =>
    apply(backend, 'Less', [apply(backend, 'Reciprocal', [value]), backend.scalar(0)], 'bool');
  const zero = apply(backend, 'Equal', [apply(backend, 'Max', [absY, absX]), backend.scalar(0)], 'bool');
  const ratio = apply(backend, 'Where', [zero, backend.scalar(0), apply(backend, 'Div', [absY, absX])], 'float32');
  const angle = apply(backend, 'Atan', [ratio]);
  const mirrored = apply(backend, 'Sub', [backend.scalar(Math.PI), angle]);
  const upper = apply(backend, 'Where', [negative(x), mirrored, angle], 'float32');
  return apply(backend, 'Where', [negative(y), apply(backend, 'Neg', [upper]), upper], 'float32');
}

/** Through float32, for operators that have no integer form. */
function throughFloat(record: BinaryRecorder): BinaryRecorder {
  return (backend, a, b) =>
    castTo(backend, record(backend, convert(backend, a, 'float32'), convert(backend, b, 'float32')), a.type);
}

export const binaryKernels: OnnxKernel[] = [
  operator(tf.Add, 'Add'),
  operator(tf.Sub, 'Sub'),
  operator(tf.Multiply, 'Mul'),
  operator(tf.Maximum, 'Max'),
  operator(tf.Minimum, 'Min'),
  operator(tf.Pow, 'Pow'),
  binary(tf.Atan2, throughFloat(atan2)),
  binary(tf.Mod, modulo),
  binary(tf.SquaredDifference, (backend, a, b) => {
    const difference = apply(backend, 'Sub', [a, b]);
    return apply(backend, 'Mul', [difference, difference]);
  }),
  binary(tf.RealDiv, (backend, a, b) =>
    a.type === 'float32' ? apply(backend, 'Div', [a, b]) : integerDivision(backend, a, b, false),
  ),
  binary(
    tf.FloorDiv,
    (backend, a, b) =>
      a.type === 'float32'
        ? truncate(backend, apply(backend, 'Floor', [apply(backend, 'Div', [a, b])]))
        : integerDivision(backend, a, b, true),
    'int32',
  ),
  arithmetic<tf.TensorInfo[]>(tf.AddN, (tensors, _, backend) => {
    const values = Object.values(tensors).map((tensor) => backend.value(tensor));
    if (values[0].type === 'float32') return result(backend, apply(backend, 'Sum', values));
    const sum = values.map((value) => convert(backend, value, 'int32')).reduce((a, b) => apply(backend, 'Add', [a, b]));
    return result(backend, convert(backend, sum, values[0].type));
  }),
];
