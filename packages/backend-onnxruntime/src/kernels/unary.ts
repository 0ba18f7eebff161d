import * as tf from '@tensorflow/tfjs';
import type { OnnxRuntimeBackend } from '../backend.js';
import type { OnnxKernel } from '../kernel.js';
import type { ElementType } from '../onnx-model.js';
import type { Value } from '../recording.js';
import { apply, arithmetic, castTo, convert, result, squash } from './expression.js';

interface UnaryTypes {
  /** Types the recorder takes; others are computed as float32 and converted back, as in tfjs's typed arrays. */
  takes?: readonly ElementType[];
  /** The type of the result, when it is not the input's. */
  gives?: ElementType;
}

/** A kernel with one input, from what it records. */
function unary<A extends object = object>(
  name: string,
  record: (backend: OnnxRuntimeBackend, x: Value, attributes: A) => Value,
  { takes = ['float32'], gives }: UnaryTypes = {},
): OnnxKernel {
  return arithmetic<{ x: tf.TensorInfo }, A>(name, ({ x }, attributes, backend) => {
    const value = backend.value(x);
    const taken = takes.includes(value.type) ? value : convert(backend, value, takes[0]);
    return result(backend, castTo(backend, record(backend, taken, attributes), gives ?? value.type));
  });
}

/** A kernel that is one ONNX operator. */
function operator(name: string, op = name, types?: UnaryTypes): OnnxKernel {
  return unary(name, (backend, x) => apply(backend, op, [x]), types);
}

/** Types of operators that onnxruntime has for integers too. */
const numbers = { takes: ['float32', 'int32'] } as const;

/** eˣ − 1 = tanh(x/2)·(eˣ + 1), without the cancellation near 0. */
function expm1(backend: OnnxRuntimeBackend, x: Value): Value {
  const tanh = apply(backend, 'Tanh', [apply(backend, 'Mul', [x, backend.scalar(0.5)])]);
  return apply(backend, 'Mul', [tanh, apply(backend, 'Add', [apply(backend, 'Exp', [x]), backend.scalar(1)])]);
}

/** log(1 + x), with what rounding 1 + x to u took away put back: log(u) − ((u − 1) − x)/u. */
function log1p(backend: OnnxRuntimeBackend, x: Value): Value {
  const one = backend.scalar(1);
  const u = apply(backend, 'Add', [x, one]);
  const kept = apply(backend, 'Sub', [u, one]);
  const lost = apply(backend, 'Div', [apply(backend, 'Sub', [kept, x]), u]);
  // At −1 and ∞ nothing is lost, and `lost` is NaN.
  const exact = apply(backend, 'Equal', [kept, x], 'bool');
  const correction = apply(backend, 'Where', [exact, backend.scalar(0), lost], 'float32');
  return apply(backend, 'Sub', [apply(backend, 'Log', [u]), correction]);
}

/** max(x, 0) + log(1 + e^−|x|), of vectorized operators: four times faster than onnxruntime's Softplus, and precise at −∞ too. */
function softplus(backend: OnnxRuntimeBackend, x: Value): Value {
  const one = backend.scalar(1);
  const e = apply(backend, 'Exp', [apply(backend, 'Neg', [apply(backend, 'Abs', [x])])]);
  const u = apply(backend, 'Add', [e, one]);
  const lost = apply(backend, 'Div', [apply(backend, 'Sub', [apply(backend, 'Sub', [u, one]), e]), u]);
  const log = apply(backend, 'Sub', [apply(backend, 'Log', [u]), lost]);
  return apply(backend, 'Add', [apply(backend, 'Max', [x, backend.scalar(0)]), log]);
}

/**
 * 1 where x > 0, alpha elsewhere, NaN where x is: a line so steep that whatever is positive exceeds 1, clipped to [0, 1]. Subnormal
 * numbers below 3.3e-39 do not get there. A comparison and a cast take twice as long and lose NaN; Sign takes three times as long.
 */
function step(backend: OnnxRuntimeBackend, x: Value, { alpha }: tf.StepAttrs): Value {
  const positive = apply(backend, 'HardSigmoid', [x], 'float32', { alpha: { float: 3e38 }, beta: { float: 0 } });
  if (alpha === 0) return positive;
  return apply(backend, 'Add', [apply(backend, 'Mul', [positive, backend.scalar(1 - alpha)]), backend.scalar(alpha)]);
}

/** sin/cos in float64: onnxruntime's Tan is off in float32's last digits near its poles, and no faster. */
function tan(backend: OnnxRuntimeBackend, x: Value): Value {
  const precise = convert(backend, x, 'float64');
  return apply(backend, 'Div', [apply(backend, 'Sin', [precise]), apply(backend, 'Cos', [precise])]);
}

/** eˣ; of integers in float64, so that the result is the float32 next to it, as tfjs's. */
function exp(backend: OnnxRuntimeBackend, x: Value): Value {
  return apply(backend, 'Exp', [x.type === 'int32' ? convert(backend, x, 'float64') : x]);
}

/** −1, 0 or 1; NaN gives 0, as in tfjs and unlike ONNX. */
function sign(backend: OnnxRuntimeBackend, x: Value): Value {
  const zero = backend.scalar(0, x.type as 'float32');
  const where = (op: string) => convert(backend, apply(backend, op, [x, zero], 'bool'), x.type);
  return apply(backend, 'Sub', [where('Greater'), where('Less')]);
}

function clip(backend: OnnxRuntimeBackend, x: Value, low: number, high: number): Value {
  const bound = (value: number) =>
    x.type === 'int32'
      ? backend.scalar(Math.min(Math.max(value, -(2 ** 31)), 2 ** 31 - 1), 'int32')
      : backend.scalar(value);
  return apply(backend, 'Clip', [x, bound(low), bound(high)]);
}

function prelu(backend: OnnxRuntimeBackend, x: Value, alpha: Value): Value {
  const negative = apply(backend, 'Less', [x, backend.scalar(0)], 'bool');
  return apply(backend, 'Where', [negative, apply(backend, 'Mul', [x, alpha]), x], 'float32');
}

export const unaryKernels: OnnxKernel[] = [
  operator(tf.Abs, 'Abs', numbers),
  operator(tf.Acos),
  operator(tf.Acosh),
  operator(tf.Asin),
  operator(tf.Asinh),
  operator(tf.Atan),
  operator(tf.Atanh),
  operator(tf.Ceil),
  operator(tf.Cos),
  operator(tf.Cosh),
  operator(tf.Elu),
  operator(tf.Erf),
  operator(tf.Floor),
  unary(tf.IsNan, (backend, x) => apply(backend, 'IsNaN', [x], 'bool'), { gives: 'bool' }),
  operator(tf.Log),
  operator(tf.Neg, 'Neg', numbers),
  operator(tf.Reciprocal),
  operator(tf.Relu, 'Relu', numbers),
  // Halves to the even neighbor, in both.
  operator(tf.Round),
  operator(tf.Selu),
  unary(tf.Sigmoid, (backend, x) => squash(backend, 'Sigmoid', x)),
  operator(tf.Sin),
  operator(tf.Sinh),
  operator(tf.Sqrt),
  unary(tf.Tanh, (backend, x) => squash(backend, 'Tanh', x)),
  unary(tf.Exp, exp, { ...numbers, gives: 'float32' }),
  unary(tf.Expm1, expm1),
  unary(tf.Tan, tan),
  unary(tf.Log1p, log1p),
  unary(tf.Softplus, softplus),
  unary<tf.StepAttrs>(tf.Step, step),
  unary(tf.Sign, sign, numbers),
  unary(tf.Square, (backend, x) => apply(backend, 'Mul', [x, x]), numbers),
  unary(tf.Rsqrt, (backend, x) => apply(backend, 'Reciprocal', [apply(backend, 'Sqrt', [x])])),
  unary(tf.Relu6, (backend, x) => clip(backend, x, 0, 6), numbers),
  unary<tf.ClipByValueAttrs>(
    tf.ClipByValue,
    (backend, x, { clipValueMin, clipValueMax }) => clip(backend, x, clipValueMin, clipValueMax),
    numbers,
  ),
  unary<tf.LeakyReluAttrs>(
    tf.LeakyRelu,
    (backend, x, { alpha }) => apply(backend, 'LeakyRelu', [x], 'float32', { alpha: { float: alpha } }),
    { gives: 'float32' },
  ),
  unary(
    tf.IsInf,
    (backend, x) => apply(backend, 'Equal', [apply(backend, 'Abs', [x]), backend.scalar(Infinity)], 'bool'),
    { gives: 'bool' },
  ),
  unary(
    tf.IsFinite,
    (backend, x) => apply(backend, 'Less', [apply(backend, 'Abs', [x]), backend.scalar(Infinity)], 'bool'),
    { gives: 'bool' },
  ),
  arithmetic<{ x: tf.TensorInfo; alpha: tf.TensorInfo }>(tf.Prelu, ({ x, alpha }, _, backend) => {
    const float = (tensor: tf.TensorInfo) => convert(backend, backend.value(tensor), 'float32');
    return result(backend, prelu(backend, float(x), float(alpha)));
  }),
  // dy where y ≥ 0, dy·(y + 1) elsewhere.
  arithmetic<{ dy: tf.TensorInfo; y: tf.TensorInfo }>(tf.EluGrad, ({ dy, y }, _, backend) => {
    const slope = apply(backend, 'Add', [
      apply(backend, 'Min', [backend.value(y), backend.scalar(0)]),
      backend.scalar(1),
    ]);
    return result(backend, apply(backend, 'Mul', [backend.value(dy), slope]));
  }),
];
