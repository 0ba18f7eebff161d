/** IEEE 754 binary16: numbers of 11 significant bits up to 65504, in steps of 2⁻²⁴ near zero. */

const one = new Float32Array(1);
const bits = new Uint32Array(one.buffer);

/**
 * Rounds to the nearest half-precision number, ties to even.
 *
 * @throws RangeError for a finite value that would become infinite
 */
export function encodeFloat16(values: ArrayLike<number>, halves: Uint16Array): void {
  for (let i = 0; i < values.length; i++) halves[i] = toFloat16(values[i]);
}

/** The same numbers as float32, exactly; into `values` where given. */
export function decodeFloat16(
  halves: ArrayLike<number>,
  values: Float32Array = new Float32Array(halves.length),
): Float32Array {
  table ??= Float32Array.from({ length: 2 ** 16 }, (_, half) => fromFloat16(half));
  for (let i = 0; i < halves.length; i++) values[i] = table[halves[i]];
  return values;
}

function toFloat16(value: number): number {
  one[0] = value;
  const sign = (bits[0] >>> 16) & 0x8000;
  const magnitude = bits[0] & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00; // NaN
  if (magnitude === 0x7f800000) return sign | 0x7c00;
  // 65520 is half way to what would be the next number.
  if (magnitude >= 0x477ff000) throw new RangeError(`${value} is beyond 65504, the largest float16`);
  if (magnitude < 0x38800000) {
    // Below 2⁻¹⁴ the step is 2⁻²⁴, which is that of float32 from 0.5 on: the addition rounds.
    one[0] = Math.abs(value) + 0.5;
    return sign | (bits[0] - 0x3f000000);
  }
  // The exponent's bias changes from 127 to 15; adding just under a half of the last place kept rounds to even.
  return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
}

/** Decoded, every half-precision number; made when first needed. */
let table: Float32Array | undefined;

function fromFloat16(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}
