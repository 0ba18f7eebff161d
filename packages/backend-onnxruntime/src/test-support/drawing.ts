import { Seeds } from '@retort/core';
import { booleans, floats, integers, type Input } from './agreement.js';

/** Draws of a seed, for shapes and numbers of a test. */
export interface Draw {
  /** Both ends included. */
  integer(low: number, high: number): number;
  of<T>(choices: readonly T[]): T;
  shuffled<T>(items: readonly T[]): T[];
  /** Sizes from 1 to 5. */
  shape(rank: number): number[];
  floats(shape: number[], low?: number, high?: number): Input;
  /** `high` not included. */
  integers(shape: number[], low: number, high: number): Input;
  booleans(shape: number[]): Input;
  /** Draws that begin anew at every call, for what runs on two backends. */
  fixed(): () => Draw;
}

export function drawing(name: string): Draw {
  const random = new Seeds(1).stream(name);
  const integer = (low: number, high: number) => low + random.integer(high - low + 1);
  const seed = () => random.integer(2 ** 30);
  return {
    integer,
    of: (choices) => choices[integer(0, choices.length - 1)],
    shuffled: (items) => {
      const left = [...items];
      return items.map(() => left.splice(integer(0, left.length - 1), 1)[0]);
    },
    shape: (rank) => Array.from({ length: rank }, () => integer(1, 5)),
    floats: (shape, low, high) => floats(seed(), shape, low, high),
    integers: (shape, low, high) => integers(seed(), shape, low, high),
    booleans: (shape) => booleans(seed(), shape),
    fixed: () => {
      const from = seed();
      return () => drawing(`${name} ${from}`);
    },
  };
}
