import { z } from '@retort/core';

/** `[least, greatest]`, both positive and at most `limit`. */
export function rangeOption(standard: [number, number], limit = Infinity) {
  const end = z.number().positive().max(limit);
  return z
    .tuple([end, end])
    .refine(([least, greatest]) => least <= greatest, 'the first of the two must not be greater than the second')
    .default(standard);
}
