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

  it('is refused at every length it can be cut to', () => {
    const bytes = encodeSafetensors(tensors);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeSafetensors(bytes.subarray(0, length))).toThrow('truncated');
    }
  });

  it('is refused with a type or a size it cannot have', () => {
    const withHeader = (entry: object) => {
      const json = Buffer.from(JSON.stringify({ x: entry }));
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(json.length));
      return Buffer.concat([length, json, Buffer.alloc(8)]);
    };
    expect(() => decodeSafetensors(withHeader({ dtype: 'F64', shape: [1], data_offsets: [0, 8] }))).toThrow(
      'tensor "x" has type F64; read are F32, I32, U8',
    );
    expect(() => decodeSafetensors(withHeader({ dtype: 'F32', shape: [3], data_offsets: [0, 8] }))).toThrow(
      'tensor "x" has 8 bytes for shape [3] of F32',
    );
  });
});
