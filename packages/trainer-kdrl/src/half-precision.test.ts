import { decodeSafetensors } from '@retort/core';
import { fromHalf, toHalf } from './half-precision.js';

describe('float16', () => {
  const all = Uint16Array.from({ length: 2 ** 16 }, (_, bits) => bits);

  it('reads all 65536 bit patterns as the safetensors reader does', () => {
    const header = JSON.stringify({ x: { dtype: 'F16', shape: [2 ** 16], data_offsets: [0, 2 ** 17] } });
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    const { tensors } = decodeSafetensors(Buffer.concat([length, Buffer.from(header), Buffer.from(all.buffer)]));
    expect(fromHalf(all)).toEqual(tensors.x.data);
  });

  it('writes every float16 back as it was', () => {
    const finite = all.filter((bits) => (bits & 0x7c00) !== 0x7c00 || (bits & 0x3ff) === 0);
    expect(toHalf(fromHalf(finite))).toEqual(finite);
    expect(toHalf(Float32Array.of(NaN))[0]).toBe(0x7e00);
  });

  it('rounds to the nearest, ties to even, up to infinity', () => {
    const finite = all.subarray(0, 0x7c00);
    const values = fromHalf(finite);
    const [nearer, expected]: number[][] = [[], []];
    for (let i = 0; i + 1 < finite.length; i++) {
      // All exact in float32, which has 13 more bits.
      const [low, high] = [values[i], values[i + 1]];
      nearer.push(low + (high - low) * 0.499, (low + high) / 2, low + (high - low) * 0.501);
      expected.push(finite[i], finite[i] + (finite[i] & 1), finite[i + 1]);
    }
    expect(toHalf(Float32Array.from(nearer))).toEqual(Uint16Array.from(expected));
    expect(Array.from(toHalf(Float32Array.of(65519, 65520, -65520, 1e30)))).toEqual([0x7bff, 0x7c00, 0xfc00, 0x7c00]);
  });
});
