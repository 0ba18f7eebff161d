/** Every float16 (IEEE 754 binary16) as a number, by its 16 bits; made when first asked for. */
let table: Float32Array | undefined;

/** The numbers of float16 bits. */
export function fromHalf(bits: Uint16Array): Float32Array {
  table ??= Float32Array.from({ length: 2 ** 16 }, (_, each) => halfValue(each));
  const [values, known] = [new Float32Array(bits.length), table];
  for (let i = 0; i < bits.length; i++) values[i] = known[bits[i]];
  return values;
}

/** 1 sign bit, 5 bits of exponent, 10 of fraction. */
function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 0x3ff];
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

/** Float16 bits of numbers, rounded to the nearest, ties to even; beyond 65504 infinite. */
export function toHalf(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < halves.length; i++) {
    const sign = (bits[i] >>> 16) & 0x8000;
    const magnitude = bits[i] & 0x7fffffff;
    if (magnitude > 0x7f800000) {
      halves[i] = 0x7e00; // NaN
    } else if (magnitude >= 0x47800000) {
      halves[i] = sign | 0x7c00; // 65536 and more
    } else if (magnitude < 0x38800000) {
      // Below 2⁻¹⁴ a float16 counts in steps of 2⁻²⁴; a float64 of 2⁵² and more has no fraction, so adding 2⁵² rounds.
      halves[i] = sign | (Math.abs(values[i]) * 2 ** 24 + 2 ** 52 - 2 ** 52);
    } else {
      // Half of what is cut off, and ties to even; then the exponent's bias goes from 127 to 15.
      halves[i] = sign | ((magnitude + 0xfff + ((magnitude >>> 13) & 1) - 0x38000000) >>> 13);
    }
  }
  return halves;
}
