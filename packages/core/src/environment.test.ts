import { observationSpace } from './environment.js';

describe('observationSpace', () => {
  it('has a float32 bound per element', () => {
    const space = observationSpace([2, 2, 3], 0, 0.1, ['red', 'green', 'blue']);
    expect([space.low.length, space.high.length]).toEqual([12, 12]);
    expect(space.high[11]).toBe(Math.fround(0.1));
    expect([...observationSpace([2], [-Infinity, -1], [Infinity, 1]).low]).toEqual([-Infinity, -1]);
  });

  it('refuses bounds and names that do not fit its shape', () => {
    expect(() => observationSpace([3], [0, 0], 1)).toThrow(/2 bounds for observations of shape \[3\]/);
    expect(() => observationSpace([2, 3], 0, 1, ['a', 'b'])).toThrow(/2 names for a last axis of length 3/);
  });
});
