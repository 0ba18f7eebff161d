import { InputError } from '@retort/core';
import { type EmbeddingSource, readUnitRows } from './embedding-source.js';
import { addMembers, createMemberSums, directions, inertiaOf } from './member-sums.js';
import type { Clusters } from './spherical-k-means.js';

/**
 * The other form of centers: one per class, the direction of the sum of its embeddings divided by their lengths. An embedding belongs to
 * its class, whichever center is nearest.
 *
 * @param labels [N] class numbers, the same order as the embeddings
 * @param classes K
 * @throws InputError naming a class that has no embedding, or whose embeddings cancel
 */
export async function classMeans(
  source: EmbeddingSource,
  labels: Int32Array,
  classes: number,
  { chunkSize = 4096 } = {},
): Promise<Clusters> {
  const { count, size, name } = source;
  if (labels.length !== count) throw new InputError(`${name}: ${labels.length} labels for ${count} embeddings`);
  const members = createMemberSums(classes, size);
  for (let start = 0; start < count; start += chunkSize) {
    const end = Math.min(count, start + chunkSize);
    addMembers(members, await readUnitRows(source, start, end), labels.subarray(start, end), size);
  }
  const empty = members.sizes.indexOf(0);
  if (empty >= 0) {
    throw new InputError(`${name}: no embedding is of class ${empty}, so it has no mean`, {
      hints: ['classes are counted from 0; spherical-k-means needs no labels'],
    });
  }
  const centers = directions(members, new Float32Array(classes * size), size);
  for (let k = 0; k < classes; k++) {
    if (centers.subarray(k * size, (k + 1) * size).every((value) => value === 0)) {
      throw new InputError(`${name}: the embeddings of class ${k} cancel, so their mean has no direction`);
    }
  }
  return {
    centers: { data: centers, shape: [classes, size] },
    assignment: labels.slice(),
    inertia: inertiaOf(members, centers),
    iterations: 1,
  };
}
