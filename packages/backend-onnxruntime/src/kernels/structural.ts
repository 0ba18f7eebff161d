import type { OnnxRuntimeBackend } from '../backend.js';
import { elementTypes, type ElementType } from '../onnx-model.js';
import type { Value } from '../recording.js';

/** What convolutions, pooling, resizing and products share. */

const known = new Map<string, Value>();

/**
 * A constant that follows from a few numbers, such as an index of patches: computed once per process.
 *
 * @param name says all that the content depends on
 */
export function derivedConstant(
  name: string,
  shape: readonly number[],
  type: 'float32' | 'int32',
  compute: () => ArrayLike<number>,
): Value {
  let value = known.get(name);
  if (!value) {
    const numbers = type === 'float32' ? Float32Array.from(compute()) : Int32Array.from(compute());
    value = { type, shape, from: { kind: 'constant', data: new Uint8Array(numbers.buffer) } };
    known.set(name, value);
  }
  return value;
}

export function transpose(backend: OnnxRuntimeBackend, value: Value, perm: readonly number[]): Value {
  return backend.emit(
    'Transpose',
    [value],
    perm.map((axis) => value.shape[axis]),
    { perm },
  );
}

/** [B, H, W, C] → [B, C, H, W] */
export function channelsFirst(backend: OnnxRuntimeBackend, value: Value): Value {
  return transpose(backend, value, [0, 3, 1, 2]);
}

/** [B, C, H, W] → [B, H, W, C] */
export function channelsLast(backend: OnnxRuntimeBackend, value: Value): Value {
  return transpose(backend, value, [0, 2, 3, 1]);
}

export function cast(backend: OnnxRuntimeBackend, value: Value, type: ElementType): Value {
  return value.type === type ? value : backend.emit('Cast', [value], value.shape, { type, to: elementTypes[type] });
}

/** Rows · x · columns for every image and channel. rows [H′, H], columns [W′, W], x [B, H, W, C] → [B, H′, W′, C] */
export function separable(backend: OnnxRuntimeBackend, x: Value, rows: Value, columns: Value): Value {
  const [batch, height, width, channels] = x.shape;
  const [newHeight, newWidth] = [rows.shape[0], columns.shape[0]];
  const tall = backend.emit(
    'MatMul',
    [rows, backend.reshape(x, [batch, height, width * channels])],
    [batch, newHeight, width * channels],
  );
  const wide = backend.emit(
    'MatMul',
    [columns, backend.reshape(tall, [batch * newHeight, width, channels])],
    [batch * newHeight, newWidth, channels],
  );
  return backend.reshape(wide, [batch, newHeight, newWidth, channels]);
}

/** [1, N] */
export function onesRow(count: number): Value {
  return derivedConstant(`ones ${count}`, [1, count], 'float32', () => new Array<number>(count).fill(1));
}

/** [N, M] → [1, M], as a product with ones: onnxruntime's sum over a leading axis is slow on several threads. */
export function sumRows(backend: OnnxRuntimeBackend, x: Value): Value {
  const [rows, columns] = x.shape;
  return backend.emit('MatMul', [onesRow(rows), x], [1, columns]);
}
