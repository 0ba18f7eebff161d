import { Seeds } from '@retort/core';

/** Float32 numbers in (−scale, scale), the same for the same name. */
export function numbers(name: string, size: number, scale = 2): number[] {
  const random = new Seeds(3).stream(name);
  return Array.from({ length: size }, () => Math.fround((2 * random.uniform() - 1) * scale));
}
