import type { Seeds, Student } from '@retort/core';

/**
 * What the drop-path layers of a network read in training: for each of them uniform numbers in [0, 1), [B], from the stream
 * `drop-path` at the number of the update.
 *
 * @param layers their names
 */
export function dropPathNoise(layers: readonly string[], seeds: Seeds): Pick<Student, 'noise'> {
  if (layers.length === 0) return {};
  return {
    noise(batchSize, step) {
      const random = seeds.at('drop-path', step);
      return Object.fromEntries(
        layers.map((name) => [name, { data: random.fill(new Float32Array(batchSize), 'uniform'), shape: [batchSize] }]),
      );
    },
  };
}
