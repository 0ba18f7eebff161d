import { Seeds } from '@retort/core';
import { expectClose } from '@retort-tools/testing';
import { recordLayout } from './record-layout.js';

type Kept = Parameters<typeof recordLayout>[1];

function normals(size: number, scale = 1): Float32Array {
  const values = new Float32Array(size);
  new Seeds(1).at('values', size).fill(values, 'normal');
  return values.map((value) => value * scale);
}

/** What comes out of a record that these outputs went into. */
function throughRecord(outputs: Record<string, Float32Array>, kept: Kept): Record<string, Float32Array> {
  const shapes = Object.fromEntries(Object.entries(outputs).map(([name, { length }]) => [name, [length]]));
  const { fields, bytes } = recordLayout(shapes, kept);
  const record = new Uint8Array(bytes);
  const part = ({ start, bytes: length }: { start: number; bytes: number }) => record.subarray(start, start + length);
  for (const field of fields) field.encode(outputs[field.name], part(field));
  return Object.fromEntries(
    fields.map((field) => {
      const values = new Float32Array(field.size);
      field.decode(part(field), values);
      return [field.name, values];
    }),
  );
}

describe('recordLayout', () => {
  const shapes = { logits: [10], embedding: [5], featureMap: [3, 3, 3] };

  it('says how large a sample is', () => {
    expect(recordLayout(shapes, { precision: 'float32' }).bytes).toBe(40 + 20 + 108);
    expect(recordLayout(shapes, { precision: 'float16' }).bytes).toBe(40 + 12 + 56);
    // A least value and a step, then a byte each, filled up to four.
    expect(recordLayout(shapes, { precision: 'int8' }).bytes).toBe(40 + (8 + 8) + (8 + 28));
    // Three classes, their logits, and the rest's.
    expect(recordLayout(shapes, { precision: 'float32', topLogits: 3 }).bytes).toBe(28 + 20 + 108);
  });

  it('keeps every output to itself', () => {
    const outputs = { logits: normals(10), embedding: normals(5), featureMap: normals(27) };
    const all = { precision: 'int8', topLogits: 3 } as const;
    const together = throughRecord(outputs, all);
    for (const [name, values] of Object.entries(outputs)) {
      expect(together[name]).toEqual(throughRecord({ [name]: values }, all)[name]);
    }
  });

  it('changes no bit of float32, and of logits at any precision', () => {
    const odd = Float32Array.of(NaN, Infinity, -0, 1e-45, 3.4e38, 1 / 3);
    expect(throughRecord({ early: odd }, { precision: 'float32' }).early).toEqual(odd);
    expect(throughRecord({ logits: odd }, { precision: 'int8' }).logits).toEqual(odd);
  });

  it('rounds to eleven significant bits in float16, and refuses what is too large', () => {
    const values = normals(1001, 100);
    const { early } = throughRecord({ early: values }, { precision: 'float16' });
    values.forEach((value, i) => expect(Math.abs(early[i] - value)).toBeLessThanOrEqual(2 ** -11 * Math.abs(value)));
    expect(() => throughRecord({ early: Float32Array.of(7e4) }, { precision: 'float16' })).toThrow(RangeError);
  });
});

describe('int8', () => {
  const kept = { precision: 'int8' } as const;

  it.each([1e-6, 1, 1e6])('is half a step off at most, at scale %p', (scale) => {
    const values = normals(999, scale);
    const [least, greatest] = [Math.min(...values), Math.max(...values)];
    const { early } = throughRecord({ early: values }, kept);
    // Half a step, and what float32 loses of values as large as these.
    const bound = (greatest - least) / 510 + 2 ** -22 * Math.max(-least, greatest);
    values.forEach((value, i) => expect(Math.abs(early[i] - value)).toBeLessThanOrEqual(bound));
    expect(new Set(early).size).toBeGreaterThan(100);
    expect(early[values.indexOf(least)]).toBe(least);
  });

  it('keeps the zeros of a rectified output, and an output that is the same everywhere', () => {
    const rectified = normals(64).map((value) => Math.max(0, value));
    const { early } = throughRecord({ early: rectified }, kept);
    rectified.forEach((value, i) => value === 0 && expect(early[i]).toBe(0));
    const even = new Float32Array(7).fill(-3.7);
    expect(throughRecord({ early: even }, kept).early).toEqual(even);
  });

  it('gives no numbers where one was none', () => {
    for (const value of [NaN, Infinity, -Infinity]) {
      const { early } = throughRecord({ early: Float32Array.of(1, value, 2) }, kept);
      expect(Array.from(early)).toEqual([NaN, NaN, NaN]);
    }
  });
});

describe('topLogits', () => {
  const softmax = (logits: ArrayLike<number>) => {
    const largest = Math.max(...Array.from(logits));
    const powers = Array.from(logits, (z) => Math.exp(z - largest));
    const sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((power) => power / sum);
  };
  const kept = { precision: 'float32', topLogits: 3 } as const;

  it.each([1, 10, 1e4])('keeps the largest, and spreads the rest evenly, at scale %p', async (scale) => {
    const logits = normals(100, scale);
    const probabilities = softmax(logits);
    const order = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a]);
    const top = order.slice(0, 3);
    const rest = order.slice(3).reduce((sum, c) => sum + probabilities[c], 0) / 97;
    const found = throughRecord({ logits }, kept).logits;
    for (const c of top) expect(found[c]).toBe(logits[c]);
    const expected = probabilities.map((probability, c) => (top.includes(c) ? probability : rest));
    await expectClose(softmax(found), expected, { absolute: 1e-12, relative: 1e-5 });
    // No other class comes before one that is kept.
    expect(found[order[50]]).toBeLessThanOrEqual(logits[top[2]]);
  });

  it('takes the lower class of two equals', () => {
    const logits = Float32Array.of(1, 2, 2, 2, 2);
    const found = throughRecord({ logits }, kept).logits;
    expect(Array.from(found.subarray(1, 4))).toEqual([2, 2, 2]);
    expect(found[0]).toBe(found[4]);
    expect(found[0]).toBeCloseTo(Math.log((Math.E + Math.E ** 2) / 2), 6);
  });

  it('leaves nothing unsaid where a logit is no number', () => {
    const found = throughRecord({ logits: Float32Array.of(5, NaN, 3, 2, 1) }, kept).logits;
    expect(found.some(Number.isNaN)).toBe(true);
  });
});
