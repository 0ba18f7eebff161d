import type { Seeds, Student } from '@retort/core';
import type { NetworkSpec } from './network-spec.js';

/**
 * What the drop-path layers of a network read in training: for each of them uniform numbers in [0, 1), [B], from the stream
 * `drop-path` at the number of the update. Undefined for a network without such layers.
 */
export function dropPathNoise({ layers }: NetworkSpec, seeds: Seeds): Student['noise'] {
  const names = layers.filter(({ config }) => config.type === 'drop-path').map(({ name }) => name);
  if (names.length === 0) return undefined;
  return (batchSize, step) => {
    const random = seeds.at('drop-path', step);
    return Object.fromEntries(
      names.map((name) => [name, { data: random.fill(new Float32Array(batchSize), 'uniform'), shape: [batchSize] }]),
    );
  };
}
