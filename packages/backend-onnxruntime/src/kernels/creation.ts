import * as tf from '@tensorflow/tfjs';
import type { OnnxRuntimeBackend } from '../backend.js';
import { kernel, type OnnxKernel } from '../kernel.js';

type X = { x: tf.TensorInfo };

function upload(
  backend: OnnxRuntimeBackend,
  values: tf.TypedArray,
  shape: number[],
  dtype: tf.DataType,
): tf.TensorInfo {
  return { dataId: backend.write(values, shape, dtype), shape, dtype };
}

/** One number everywhere. Made on the host, since a number that changes would be another graph. */
function constantTensor(
  backend: OnnxRuntimeBackend,
  shape: number[],
  value: number,
  dtype: tf.DataType,
): tf.TensorInfo {
  const values = tf.util.getTypedArrayFromDType(dtype as 'float32', tf.util.sizeFromShape(shape));
  return upload(backend, value === 0 ? values : values.fill(value), shape, dtype);
}

/** Kernels that make numbers from attributes alone; they record nothing. */
export const creationKernels: OnnxKernel[] = [
  kernel<object, tf.FillAttrs>(tf.Fill, (_, { shape, value, dtype }, backend) => {
    const type = dtype || tf.util.inferDtype(value);
    if (type !== 'string') return constantTensor(backend, shape, value as number, type);
    const text = new Array<Uint8Array>(tf.util.sizeFromShape(shape)).fill(tf.util.encodeString(value as string));
    return { dataId: backend.write(text, shape, type), shape, dtype: type };
  }),
  kernel<X>(tf.ZerosLike, ({ x }, _, backend) => constantTensor(backend, x.shape, 0, x.dtype)),
  kernel<X>(tf.OnesLike, ({ x }, _, backend) => constantTensor(backend, x.shape, 1, x.dtype)),
  kernel<object, tf.LinSpaceAttrs>(tf.LinSpace, (_, { start, stop, num }, backend) => {
    const values = new Float32Array(num);
    values[0] = start;
    const step = (stop - start) / (num - 1);
    for (let i = 1; i < num; i++) values[i] = values[i - 1] + step;
    return upload(backend, values, [num], 'float32');
  }),
  kernel<object, tf.RangeAttrs>(tf.Range, (_, { start, stop, step, dtype }, backend) => {
    const empty = start === stop || (start < stop && step < 0) || (stop < start && step > 1);
    const size = empty ? 0 : Math.abs(Math.ceil((stop - start) / step));
    const values = tf.util.getTypedArrayFromDType(dtype, size);
    const by = stop < start && step === 1 ? -1 : step;
    if (size > 0) values[0] = start;
    for (let i = 1; i < size; i++) values[i] = values[i - 1] + by;
    return upload(backend, values, [size], dtype);
  }),
];
