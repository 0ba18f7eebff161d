import type { HostTensor } from './host-tensor.js';
import { decodeSafetensors, encodeSafetensors } from './safetensors.js';

const tensors: Record<string, HostTensor> = {
  'conv/kernel': { data: Float32Array.of(1.5, -0, NaN, Infinity, 1e-45, 3.4e38), shape: [1, 2, 3] },
  scalar: { data: Float32Array.of(7), shape: [] },
  empty: { data: new Float32Array(0), shape: [0] },
  mask: { data: Uint8Array.of(0, 255, 3), shape: [3] },
  label: { data: Int32Array.of(-1, 2 ** 31 - 1), shape: [2] },
};

const bits = ({ data }: HostTensor) => Array.from(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));

/** A file with any header. */
function file(header: unknown, content: ArrayBufferView | ArrayBuffer = new ArrayBuffer(8)): Buffer {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const bytes = ArrayBuffer.isView(content) ? content.buffer : content;
  return Buffer.concat([length, json, new Uint8Array(bytes)]);
}

describe('safetensors', () => {
  it('comes back as it was, bit for bit', () => {
    const decoded = decodeSafetensors(encodeSafetensors(tensors, { format: 'test', 'for whom': 'ÄÖÜ 学' }));
    expect(decoded.metadata).toEqual({ format: 'test', 'for whom': 'ÄÖÜ 学' });
    expect(Object.keys(decoded.tensors).sort()).toEqual(Object.keys(tensors).sort());
    for (const [name, tensor] of Object.entries(decoded.tensors)) {
      expect(tensor.shape).toEqual(tensors[name].shape);
      expect(tensor.data.constructor).toBe(tensors[name].data.constructor);
      expect(bits(tensor)).toEqual(bits(tensors[name]));
    }
  });

  it('takes a view into a larger buffer as what it shows', () => {
    const view = Float32Array.of(0, 1, 2, 3).subarray(1, 3);
    const { data } = decodeSafetensors(encodeSafetensors({ view: { data: view, shape: [2] } })).tensors.view;
    expect(Array.from(data)).toEqual([1, 2]);
  });

  it('is laid out as the format says, whatever the order of keys', () => {
    const bytes = encodeSafetensors({ b: tensors.label, a: tensors.scalar, m: tensors.mask });
    const headerLength = Number(bytes.readBigUInt64LE(0));
    expect((8 + headerLength) % 8).toBe(0);
    expect(JSON.parse(bytes.toString('utf8', 8, 8 + headerLength))).toEqual({
      __metadata__: {},
      a: { dtype: 'F32', shape: [], data_offsets: [0, 4] },
      b: { dtype: 'I32', shape: [2], data_offsets: [4, 12] },
      m: { dtype: 'U8', shape: [3], data_offsets: [12, 15] },
    });
    expect(bytes.length).toBe(8 + headerLength + 15);
    expect(bytes.readFloatLE(8 + headerLength)).toBe(7);
    expect(encodeSafetensors({ m: tensors.mask, a: tensors.scalar, b: tensors.label })).toEqual(bytes);
  });

  it.each<[string, ArrayBufferView, number[]]>([
    // 1, −2, the largest, the smallest normal, the smallest of all, −0, and what is no number
    [
      'F16',
      Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x8000, 0x7c00, 0xfc00, 0x7e00),
      [1, -2, 65504, 2 ** -14, 2 ** -24, -0, Infinity, -Infinity, NaN],
    ],
    ['BF16', Uint16Array.of(0x3f80, 0xc000, 0x4049, 0x8000, 0x7f80), [1, -2, 3.140625, -0, Infinity]],
    ['F64', Float64Array.of(0.1, -1e300, 2 ** -149), [Math.fround(0.1), -Infinity, 2 ** -149]],
    ['I64', BigInt64Array.of(-5n, 2147483647n), [-5, 2147483647]],
  ])('reads %s at any place in the file', (dtype, content, expected) => {
    for (const shift of [0, 1, 2, 3]) {
      const entry = { dtype, shape: [expected.length], data_offsets: [0, content.byteLength] };
      const { data } = decodeSafetensors(file(JSON.stringify({ x: entry }) + ' '.repeat(shift), content)).tensors.x;
      expect(data).toBeInstanceOf(dtype === 'I64' ? Int32Array : Float32Array);
      expect(Array.from(data)).toEqual(expected);
    }
  });

  it('is refused at every length it can be cut to', () => {
    const bytes = encodeSafetensors(tensors);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeSafetensors(bytes.subarray(0, length))).toThrow('truncated');
    }
  });

  it.each<[string, Buffer, string]>([
    [
      'a type of no meaning here',
      file({ x: { dtype: 'C64', shape: [1], data_offsets: [0, 8] } }),
      'x" has type C64; read',
    ],
    [
      'a type called as what objects have',
      file({ x: { dtype: 'constructor', shape: [1], data_offsets: [0, 8] } }),
      'type',
    ],
    [
      'too few bytes',
      file({ x: { dtype: 'F32', shape: [3], data_offsets: [0, 8] } }),
      '"x" has 8 bytes for shape [3] of F32',
    ],
    ['no shape', file({ x: { dtype: 'F32', data_offsets: [0, 8] } }), '"x" lacks a type, a shape'],
    ['a place before the first', file({ x: { dtype: 'F32', shape: [2], data_offsets: [-8, 0] } }), '"x" lacks'],
    [
      'a number that int32 cannot hold',
      file({ x: { dtype: 'I64', shape: [1], data_offsets: [0, 8] } }, BigInt64Array.of(2n ** 40n)),
      'holds 1099511627776',
    ],
    ['a header that is no JSON', file('{"x": '), 'its header is not JSON'],
    ['a header of another kind', file([1]), 'its header is not a JSON object'],
  ])('is refused with %s', (_, bytes, message) => {
    expect(() => decodeSafetensors(bytes)).toThrow(message);
  });
});
