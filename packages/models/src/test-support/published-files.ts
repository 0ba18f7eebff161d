import { readFileSync } from 'node:fs';
import type { HostTensor } from '@retort/core';

export interface Reference {
  imageShape: [number, number, number];
  tensors: Record<string, number[]>;
  outputs: Record<string, number[]>;
}

/** What PyTorch computes: see published_reference.py. */
export const references = JSON.parse(
  readFileSync(new URL('published-reference.json', import.meta.url), 'utf8'),
) as Record<string, Reference>;

export const sizeOf = (shape: number[]) => shape.reduce((a, b) => a * b, 1);

/** Numbers in [−1, 1) that follow from a name, as in published_reference.py. */
function noise(name: string, size: number): Float64Array {
  const seed = Array.from(name, (c, i) => (i + 1) * c.charCodeAt(0)).reduce((a, b) => a + b) % 997;
  return Float64Array.from({ length: size }, (_, k) => {
    const value = Math.sin(seed + 12.9898 * k) * 43758.5453;
    return 2 * (value - Math.floor(value)) - 1;
  });
}

/** A weight of ordinary size for what its name says it is. */
export function tensor(name: string, shape: number[]): HostTensor {
  const drawn = noise(name, sizeOf(shape));
  const scaled = (offset: number, factor: number) => Float32Array.from(drawn, (value) => offset + factor * value);
  if (name.endsWith('num_batches_tracked')) return { data: Int32Array.of(7), shape };
  if (name.endsWith('running_var')) return { data: scaled(1, 0.5), shape };
  if (shape.length === 1) {
    return { data: scaled(name.endsWith('.weight') ? 1 : name.includes('gamma') ? 0.5 : 0, 0.2), shape };
  }
  return { data: scaled(0, Math.sqrt(3 / (name.endsWith('.weight') ? sizeOf(shape.slice(1)) : 4))), shape };
}

/** The tensors of a published file. */
export const tensorsOf = ({ tensors }: Reference): Record<string, HostTensor> =>
  Object.fromEntries(Object.entries(tensors).map(([name, shape]) => [name, tensor(name, shape)]));
