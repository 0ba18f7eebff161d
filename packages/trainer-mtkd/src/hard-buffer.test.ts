import { type HostTensor, Random } from '@retort/core';
import { createHardBuffer } from './hard-buffer.js';

/** Samples that say who they are, in two tensors of different rows. */
const samples = (...ids: number[]): Record<string, HostTensor> => ({
  image: { data: Float32Array.from(ids.flatMap((id) => [id, id + 0.5])), shape: [ids.length, 1, 2] },
  label: { data: Int32Array.from(ids), shape: [ids.length] },
});
const idsOf = (drawn: Record<string, HostTensor>) => Array.from(drawn.label.data);
const right = (n: number) => new Array<number>(n).fill(0);

describe('the hard buffer', () => {
  it('takes all samples while there is room, then wrong ones only, in places of others', () => {
    const random = new Random([1, 2]);
    const buffer = createHardBuffer(5);
    buffer.add(samples(1, 2, 3), right(3), random);
    expect(buffer.wanted(right(3))).toEqual([true, true, false]);
    buffer.add(samples(4, 5, 6), right(3), random);
    expect(buffer.size).toBe(5);
    expect(idsOf(buffer.draw(5, random)).sort()).toEqual([1, 2, 3, 4, 5]);
    buffer.add(samples(7, 8, 9), [0, 1, 1], random);
    expect(buffer.size).toBe(5);
    const held = idsOf(buffer.draw(5, random));
    expect(held).toEqual(expect.arrayContaining([8, 9]));
    expect(held).not.toContain(7);
    expect(new Set(held).size).toBe(5);
  });

  it('fills up and replaces with one batch', () => {
    const random = new Random([4, 4]);
    const buffer = createHardBuffer(4);
    buffer.add(samples(1, 2, 3), right(3), random);
    buffer.add(samples(4, 5, 6), [1, 1, 0], random);
    const held = idsOf(buffer.draw(4, random));
    expect(held).toEqual(expect.arrayContaining([4, 5]));
    expect(held.filter((id) => id <= 3)).toHaveLength(2);
  });

  it('never takes samples of which nobody knows whether they are wrong', () => {
    const random = new Random([6, 6]);
    const buffer = createHardBuffer(2);
    expect(buffer.wanted([-1, 0, -1, 0, 0, 1])).toEqual([false, true, false, true, false, true]);
    buffer.add(samples(1, 2, 3, 4), [-1, 0, -1, 0], random);
    expect(idsOf(buffer.draw(2, random)).sort()).toEqual([2, 4]);
    buffer.add(samples(5, 6), [-1, -1], random);
    expect(idsOf(buffer.draw(2, random)).sort()).toEqual([2, 4]);
  });

  it('draws without replacement, whole samples', () => {
    const random = new Random([3, 3]);
    const buffer = createHardBuffer(8);
    buffer.add(samples(0, 1, 2, 3, 4, 5, 6, 7), right(8), random);
    const seen = new Set<number>();
    for (let i = 0; i < 40; i++) {
      const drawn = buffer.draw(3, random);
      expect(drawn.image.shape).toEqual([3, 1, 2]);
      const ids = idsOf(drawn);
      expect(new Set(ids).size).toBe(3);
      expect(Array.from(drawn.image.data)).toEqual(ids.flatMap((id) => [id, id + 0.5]));
      for (const id of ids) seen.add(id);
    }
    expect(seen.size).toBe(8);
  });

  it('is what it was after a save, whatever happened since', () => {
    const random = new Random([5, 5]);
    const buffer = createHardBuffer(3);
    buffer.add(samples(1, 2), right(2), random);
    const saved = buffer.save();
    buffer.add(samples(8, 9), [1, 1], random);
    const other = createHardBuffer(3);
    other.load(saved);
    buffer.load(saved);
    for (const each of [buffer, other]) {
      expect(each.size).toBe(2);
      expect(idsOf(each.draw(2, new Random([9, 9]))).sort()).toEqual([1, 2]);
      each.add(samples(3), [0], random);
      expect(each.size).toBe(3);
    }
  });
});
