import { type HostTensor, InputError, type Random } from '@retort/core';
import { compile } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { type EmbeddingSource, embeddingsInMemory, readUnitRows, readUnitRowsAt } from './embedding-source.js';
import { addMembers, createMemberSums, directions, inertiaOf, type MemberSums } from './member-sums.js';

/** Centers of embeddings, and whose embedding belongs to which. */
export interface Clusters {
  /** [K, D], unit length. */
  centers: HostTensor;
  /** [N]: the number of each embedding's center. */
  assignment: Int32Array;
  /** Σ_i 1 − cos(x_i, its center), float64; from 0 to 2 N. */
  inertia: number;
  /** Passes over all embeddings; in the mini-batch form, mini-batches. */
  iterations: number;
}

/** What is told after each mini-batch and each pass. */
export interface ClusteringProgress {
  phase: 'mini-batch' | 'pass';
  /** From 1. */
  iteration: number;
  /** At most so many; a pass that gives an empty cluster a center is added where the last would be. */
  of: number;
  /** Mean of 1 − cos(x, its center) over the embeddings it saw. */
  meanDistance: number;
}

export interface SphericalKMeansOptions {
  /** K. */
  clusters: number;
  /** Draws the start and the mini-batches. */
  random: Random;
  /** Passes over all embeddings at most. */
  maxIterations?: number;
  /** Ends it when a pass lowers the inertia by no more than this share. */
  tolerance?: number;
  /** Learns centers from so many random samples of this size and passes over all embeddings once, for sets that are large. */
  miniBatch?: { size: number; steps: number };
  /** Embeddings that the start looks at, at least K. */
  startSample?: number;
  /** Embeddings in memory at a time. */
  chunkSize?: number;
  onProgress?: (progress: ClusteringProgress) => void;
}

/** An embedding this near to its center, in 1 − cos, gains nothing from a center of its own. */
const sameDirection = 1e-6;

/** Passes that are added so that no cluster stays empty. */
const extraPasses = 3;

/**
 * Spherical k-means (Dhillon & Modha 2001): embeddings divided by their length, nearest by cosine, a center is the direction of its
 * members' sum. It starts from k-means++ on a random sample (Arthur & Vassilvitskii 2007), and a center that loses all members goes to the
 * embedding that is farthest from its own. The mini-batch form is Sculley's (2010): a center is the direction of the sum of all samples it
 * has been given, which is his learning rate of one over their number.
 *
 * Cosines come from tfjs in chunks of one shape; sums are float64, in the order of the embeddings, so that the result depends on seed and
 * backend and not on the chunk size. A cluster stays empty only where there are hardly more different directions than clusters.
 *
 * @throws InputError when there are fewer embeddings than clusters, or one is zero or not finite
 */
export async function sphericalKMeans(
  source: EmbeddingSource,
  {
    clusters,
    random,
    maxIterations = 50,
    tolerance = 1e-4,
    miniBatch,
    startSample = Math.max(4096, 8 * clusters),
    chunkSize = 4096,
    onProgress,
  }: SphericalKMeansOptions,
): Promise<Clusters> {
  const { count, size, name } = source;
  if (clusters > count) {
    throw new InputError(`${name}: ${clusters} clusters of ${count} embeddings`, {
      hints: [`ask for at most ${count}; far fewer is what makes them clusters`],
    });
  }
  let centers = await startCenters(source, clusters, Math.min(count, Math.max(clusters, startSample)), random);
  if (miniBatch) centers = await learnFromSamples(source, centers, clusters, miniBatch, chunkSize, random, onProgress);
  const passes = miniBatch ? 1 : maxIterations;
  let before: Pass | undefined;
  for (let iteration = 1; ; iteration++) {
    const pass = await assignAll(source, centers, clusters, chunkSize);
    onProgress?.({ phase: 'pass', iteration, of: passes, meanDistance: pass.inertia / count });
    const next = directions(pass.members, centers, size);
    const lonely = pass.members.sizes.flatMap((members, k) => (members === 0 ? [k] : []));
    const far = farthest(pass.distance, lonely.length);
    const settled = before !== undefined && before.inertia - pass.inertia <= tolerance * before.inertia;
    const done = iteration >= passes || settled;
    if (done && (far.length === 0 || iteration >= passes + extraPasses)) {
      const iterations = miniBatch?.steps ?? iteration;
      return {
        centers: { data: centers, shape: [clusters, size] },
        assignment: pass.assignment,
        inertia: pass.inertia,
        iterations,
      };
    }
    const rows = await readUnitRowsAt(source, far);
    far.forEach((_, i) => next.set(rows.subarray(i * size, (i + 1) * size), lonely[i] * size));
    [before, centers] = [pass, next];
  }
}

/** What one look at all embeddings finds. */
interface Pass {
  assignment: Int32Array;
  /** [N] 1 − cos to the own center, float32. */
  distance: Float32Array;
  members: MemberSums;
  inertia: number;
}

/** Assigns every embedding to its nearest center; the next chunk is read while one is computed. */
async function assignAll(
  source: EmbeddingSource,
  centers: Float32Array,
  clusters: number,
  chunkSize: number,
): Promise<Pass> {
  const { count, size } = source;
  const chunk = Math.min(chunkSize, count);
  const [assignment, distance] = [new Int32Array(count), new Float32Array(count)];
  const members = createMemberSums(clusters, size);
  const search = createSearch(centers, clusters, size, chunk);
  const read = (start: number) => {
    const rows = readUnitRows(source, start, Math.min(count, start + chunk));
    // Awaited below, unless the chunk before fails first.
    rows.catch(() => {});
    return rows;
  };
  try {
    let ahead = read(0);
    for (let start = 0; start < count; start += chunk) {
      const rows = await ahead;
      if (start + chunk < count) ahead = read(start + chunk);
      const found = await search.nearest(rows);
      assignment.set(found.cluster, start);
      distance.set(found.distance, start);
      addMembers(members, rows, found.cluster, size);
    }
  } finally {
    search.dispose();
  }
  return { assignment, distance, members, inertia: inertiaOf(members, centers) };
}

/** Nearest centers of up to `chunk` rows at a time, computed in one shape: what is missing is filled up with zeros. */
function createSearch(centers: Float32Array, clusters: number, size: number, chunk: number) {
  const table = tf.tensor2d(centers, [clusters, size]);
  return {
    async nearest(rows: Float32Array): Promise<{ cluster: Int32Array; distance: Float32Array }> {
      const count = rows.length / size;
      let filled = rows;
      if (count < chunk) {
        filled = new Float32Array(chunk * size);
        filled.set(rows);
      }
      const given = tf.tensor2d(filled, [chunk, size]);
      const outputs = searchStep({ rows: given, centers: table });
      const [cluster, distance] = await Promise.all([
        outputs.cluster.data<'int32'>(),
        outputs.distance.data<'float32'>(),
      ]);
      tf.dispose([given, outputs.cluster, outputs.distance]);
      return { cluster: cluster.slice(0, count), distance: distance.slice(0, count) };
    },
    dispose: () => table.dispose(),
  };
}

const searchStep = compile(
  ({ rows, centers }: { rows: tf.Tensor; centers: tf.Tensor }): { cluster: tf.Tensor; distance: tf.Tensor } => {
    const cosine = tf.matMul(rows as tf.Tensor2D, centers as tf.Tensor2D, false, true);
    return { cluster: cosine.argMax(1), distance: tf.sub(1, cosine.max(1)) };
  },
  { variables: {} },
);

/** The numbers of the `wanted` embeddings that are farthest from their centers, ascending; of equals the first. */
function farthest(distance: Float32Array, wanted: number): number[] {
  if (wanted === 0) return [];
  const order = Uint32Array.from(distance, (_, i) => i).sort((a, b) => distance[b] - distance[a] || a - b);
  return Array.from(order.subarray(0, wanted).filter((i) => distance[i] > sameDirection)).sort((a, b) => a - b);
}

/** k-means++ on a random sample: each further center an embedding drawn by 1 − cos to the nearest so far, half its squared distance. */
async function startCenters(
  source: EmbeddingSource,
  clusters: number,
  sampleSize: number,
  random: Random,
): Promise<Float32Array> {
  const { count, size } = source;
  const rows = await readUnitRowsAt(source, drawDistinct(count, sampleSize, random));
  const centers = new Float32Array(clusters * size);
  const distance = new Float64Array(sampleSize).fill(Infinity);
  let chosen = random.integer(sampleSize);
  for (let k = 0; ; k++) {
    const center = rows.subarray(chosen * size, (chosen + 1) * size);
    centers.set(center, k * size);
    if (k + 1 === clusters) return centers;
    for (let i = 0; i < sampleSize; i++) {
      let cosine = 0;
      for (let d = 0, from = i * size; d < size; d++) cosine += rows[from + d] * center[d];
      distance[i] = Math.min(distance[i], Math.max(0, 1 - cosine));
    }
    chosen = drawByWeight(distance, random);
  }
}

/** A place drawn in proportion to its weight; the first, where all are 0. */
function drawByWeight(weights: Float64Array, random: Random): number {
  let left = random.uniform() * weights.reduce((a, b) => a + b, 0);
  const drawn = weights.findIndex((weight) => (left -= weight) < 0);
  if (drawn >= 0) return drawn;
  // Rounding may leave the draw beyond the end.
  const last = weights.findLastIndex((weight) => weight > 0);
  return Math.max(0, last);
}

async function learnFromSamples(
  source: EmbeddingSource,
  start: Float32Array,
  clusters: number,
  { size: sampleSize, steps }: { size: number; steps: number },
  chunkSize: number,
  random: Random,
  onProgress: SphericalKMeansOptions['onProgress'],
): Promise<Float32Array> {
  const { count, size } = source;
  const drawn = Math.min(sampleSize, count);
  const members = createMemberSums(clusters, size);
  let centers = start;
  for (let step = 1; step <= steps; step++) {
    const rows = await readUnitRowsAt(source, drawDistinct(count, drawn, random));
    const pass = await assignAll(embeddingsInMemory(rows, size, source.name), centers, clusters, chunkSize);
    addMembers(members, rows, pass.assignment, size);
    centers = directions(members, centers, size);
    onProgress?.({ phase: 'mini-batch', iteration: step, of: steps, meanDistance: pass.inertia / drawn });
  }
  return centers;
}

/** `wanted` different numbers below `count`, ascending (Floyd's algorithm; Bentley & Floyd 1987). */
function drawDistinct(count: number, wanted: number, random: Random): Int32Array {
  const drawn = new Set<number>();
  for (let last = count - wanted; last < count; last++) {
    const each = random.integer(last + 1);
    drawn.add(drawn.has(each) ? last : each);
  }
  return Int32Array.from(drawn).sort();
}
