import type { HostTensor } from '@retort/core';

/**
 * Rows of one length: short ones are padded, long ones cut, and the last id, which closes a text, stays.
 *
 * @returns [T, length] int32
 */
export function padIds(
  rows: readonly (readonly number[])[],
  { length, padding }: { length: number; padding: number },
): HostTensor {
  const data = new Int32Array(rows.length * length).fill(padding);
  rows.forEach((row, i) => {
    data.set(row.slice(0, length), i * length);
    if (row.length > length) data[(i + 1) * length - 1] = row[row.length - 1];
  });
  return { data, shape: [rows.length, length] };
}
