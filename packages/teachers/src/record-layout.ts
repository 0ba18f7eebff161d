import { decodeFloat16, encodeFloat16, type OutputShapes } from '@retort/core';

export const precisions = ['float32', 'float16', 'int8'] as const;
export type Precision = (typeof precisions)[number];

/** How values of one output of one sample become bytes. Both sides are given whole; bytes start at a multiple of four. */
interface Codec {
  /** A multiple of four. */
  bytes: number;
  /** @throws RangeError for a value that has no place in this form */
  encode(values: Float32Array, bytes: Uint8Array): void;
  decode(bytes: Uint8Array, values: Float32Array): void;
}

/** One output inside a record. */
export interface RecordField extends Codec {
  name: string;
  /** Without the batch axis. */
  shape: number[];
  /** Values of a sample. */
  size: number;
  /** Bytes from the record's first. */
  start: number;
}

/**
 * The bytes of a sample's outputs: one after the other, in the order of `shapes`.
 *
 * @param precision of all but logits and logitScale
 * @param topLogits how many of the largest logits are kept, undefined for all, see {@link topCodec}
 */
export function recordLayout(
  shapes: OutputShapes,
  { precision, topLogits }: { precision: Precision; topLogits?: number },
): { fields: RecordField[]; bytes: number } {
  let bytes = 0;
  const fields = Object.entries(shapes).map(([name, shape]): RecordField => {
    const size = shape.reduce((product, n) => product * n, 1);
    const codec =
      name === 'logits' && topLogits !== undefined
        ? topCodec(size, topLogits)
        : codecs[isExact(name) ? 'float32' : precision](size);
    const start = bytes;
    bytes += codec.bytes;
    return { name, shape, size, start, ...codec };
  });
  return { fields, bytes };
}

/** Whether an output is kept as float32 at any precision. */
export function isExact(name: string): boolean {
  return name === 'logits' || name === 'logitScale';
}

const codecs: Record<Precision, (size: number) => Codec> = { float32, float16, int8 };

function float32(size: number): Codec {
  return {
    bytes: 4 * size,
    encode: (values, bytes) => new Float32Array(bytes.buffer, bytes.byteOffset, size).set(values),
    decode: (bytes, values) => values.set(new Float32Array(bytes.buffer, bytes.byteOffset, size)),
  };
}

function float16(size: number): Codec {
  const halves = (bytes: Uint8Array) => new Uint16Array(bytes.buffer, bytes.byteOffset, size);
  return {
    bytes: toFour(2 * size),
    encode: (values, bytes) => encodeFloat16(values, halves(bytes)),
    decode: (bytes, values) => decodeFloat16(halves(bytes), values),
  };
}

/**
 * One byte a value: 256 even steps from the least value of the sample's output to its greatest, both kept as float32. A decoded
 * value is at most half a step, (greatest − least) / 510, from the true one. Where one is not finite, none is.
 */
function int8(size: number): Codec {
  const scaleOf = (bytes: Uint8Array) => new Float32Array(bytes.buffer, bytes.byteOffset, 2);
  return {
    bytes: 8 + toFour(size),
    encode: (values, bytes) => {
      let [least, greatest] = [Infinity, -Infinity];
      let finite = true;
      for (const value of values) {
        if (value < least) least = value;
        if (value > greatest) greatest = value;
        finite &&= Number.isFinite(value);
      }
      const scale = scaleOf(bytes);
      scale.set([least, finite ? (greatest - least) / 255 : NaN]);
      const step = scale[1];
      for (let i = 0; i < size; i++) {
        bytes[8 + i] = step > 0 ? Math.min(255, Math.round((values[i] - least) / step)) : 0;
      }
    },
    decode: (bytes, values) => {
      const [least, step] = scaleOf(bytes);
      for (let i = 0; i < size; i++) values[i] = least + step * bytes[8 + i];
    },
  };
}

/**
 * The `kept` largest logits and their classes; all others become one number r with (C − kept) · exp(r) = Σ_others exp(z_c). So
 * the kept classes have the probability they had, and what remains of it is spread evenly over the rest. At other temperatures
 * than 1 that holds nearly. Of equal logits the lower class is kept.
 */
function topCodec(size: number, kept: number): Codec {
  const parts = (bytes: Uint8Array): [classes: Uint32Array, logits: Float32Array] => [
    new Uint32Array(bytes.buffer, bytes.byteOffset, kept),
    new Float32Array(bytes.buffer, bytes.byteOffset + 4 * kept, kept + 1),
  ];
  return {
    bytes: 4 * (2 * kept + 1),
    encode: (values, bytes) => {
      const [classes, logits] = parts(bytes);
      const order = Uint32Array.from(values, (_, c) => c).sort((a, b) => values[b] - values[a] || a - b);
      classes.set(order.subarray(0, kept));
      logits.set(Array.from(classes, (c) => values[c]));
      // Against the largest of the rest, so that no exponential overflows and not all vanish.
      const largest = values[order[kept]];
      const sum = order.subarray(kept).reduce((total, c) => total + Math.exp(values[c] - largest), 0);
      logits[kept] = largest + Math.log(sum / (size - kept));
    },
    decode: (bytes, values) => {
      const [classes, logits] = parts(bytes);
      values.fill(logits[kept]);
      classes.forEach((c, i) => (values[c] = logits[i]));
    },
  };
}

function toFour(bytes: number): number {
  return Math.ceil(bytes / 4) * 4;
}
