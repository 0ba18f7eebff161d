import { InputError } from '@retort/core';
import { type EmbeddingSource, readUnitRows } from './embedding-source.js';
import { addMembers, createMemberSums, directions, inertiaOf } from './member-sums.js';
import type { Clusters } from './spherical-k-means.js';

/**
 * The other form of centers: one per class, the direction of the sum of its embeddings divided by their lengths. An embedding belongs to
 * its class, whichever center is nearest. One without a label has no part in any mean, and belongs to the mean that is nearest by cosine,
 * the first of several that are as near.
 *
 * @param labels [N] class numbers, −1 where it is not known, the same order as the embeddings
 * @param classes K
 * @throws InputError naming a class that has no labelled embedding, or whose embeddings cancel
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
      hints: ['classes are counted from 0', 'k-means needs no labels: trainer.centers.from: k-means'],
    });
  }
  const centers = directions(members, new Float32Array(classes * size), size);
  for (let k = 0; k < classes; k++) {
    if (centers.subarray(k * size, (k + 1) * size).every((value) => value === 0)) {
      throw new InputError(`${name}: the embeddings of class ${k} cancel, so their mean has no direction`);
    }
  }
  const assignment = labels.slice();
  if (labels.some((label) => label < 0)) {
    for (let start = 0; start < count; start += chunkSize) {
      const end = Math.min(count, start + chunkSize);
      const rows = await readUnitRows(source, start, end);
      const nearest = Int32Array.from({ length: end - start }, (_, i) =>
        labels[start + i] < 0 ? nearestOf(rows.subarray(i * size, (i + 1) * size), centers) : -1,
      );
      addMembers(members, rows, nearest, size);
      nearest.forEach((k, i) => k >= 0 && (assignment[start + i] = k));
    }
  }
  return {
    centers: { data: centers, shape: [classes, size] },
    assignment,
    inertia: inertiaOf(members, centers),
    iterations: 1,
  };
}

/** The number of the center [K, D] that a row [D] has the greatest product with. */
function nearestOf(row: Float32Array, centers: Float32Array): number {
  let [nearest, greatest] = [0, -Infinity];
  for (let k = 0; k * row.length < centers.length; k++) {
    let product = 0;
    for (let d = 0; d < row.length; d++) product += row[d] * centers[k * row.length + d];
    if (product > greatest) [nearest, greatest] = [k, product];
  }
  return nearest;
}
