import { createRegistry, resolvePart, Seeds, type Environment, type Random } from '@retort/core';
import { plugin } from '../index.js';

/** An environment as a manifest makes it: `{ use: 'frame-stack', environment: 'cart-pole' }`. */
export async function create(use: unknown, { count = 1, seed = 1 } = {}): Promise<Environment> {
  const registry = createRegistry([plugin]);
  const scope = registry.createScope();
  const reference = resolvePart(registry, 'environment', use);
  return scope.create(reference, { count, seeds: new Seeds(seed), scope, path: 'environment' });
}

/** Actions within the space, any of them, for all copies; those of copy i depend on its own stream only. */
export function anyActions({ actionSpace: space }: Environment, randoms: readonly Random[]): Int32Array | Float32Array {
  if (space.kind === 'discrete') return Int32Array.from(randoms, (random) => random.integer(space.size));
  if (space.kind === 'simplex') throw new Error('no environment has a simplex');
  return Float32Array.from(
    randoms.flatMap((random) => space.low.map((low, i) => low + (space.high[i] - low) * random.uniform())),
  );
}

/** Streams for {@link anyActions}. */
export const actionStreams = (count: number, seed = 7) =>
  Array.from({ length: count }, (_, copy) => new Seeds(seed).at('actions', copy));
