import { rmSync } from 'node:fs';
import type { Random } from '@retort/core';
import {
  batchesPerEpoch,
  type Dataset,
  type Emit,
  InputError,
  outputTensors,
  RunError,
  type Teacher,
} from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { classMeans } from './class-means.js';
import { createEmbeddingStore, openEmbeddingStore } from './embedding-store.js';
import { embeddingOf } from './kdrl-step.js';
import type { KdrlOptions } from './options.js';
import { type Clusters, sphericalKMeans } from './spherical-k-means.js';

/** Centers with the samples they were made of. */
export interface FoundCenters extends Clusters {
  /** [N]: numbers of the train samples in the data set, in the order of `assignment`. */
  index: Int32Array;
  /** [N]: their labels, −1 where one is not known; undefined where the data set has none. */
  label?: Int32Array;
  /** [P, D] unit embeddings of some of them and the rows they are of, for a picture. */
  sample: { rows: Int32Array; embeddings: Float32Array };
}

/** How many embeddings a picture of the clusters shows. */
const pictured = 1500;

/**
 * Embeds the train split with the teacher, chunk by chunk on disk, and finds where its embeddings gather.
 *
 * @param file where embeddings are kept while that takes; removed afterwards
 * @param view `undefined`: images as they are; else as that epoch shows them
 * @throws InputError when there are more centers than samples, an embedding is not finite, or class means lack a class
 */
export async function findCenters(
  {
    dataset,
    teacher,
    options,
    emit,
  }: { dataset: Dataset; teacher: Teacher; options: KdrlOptions['centers']; emit: Emit },
  { file, random, view }: { file: string; random: (name: string) => Random; view?: number },
): Promise<FoundCenters> {
  const { from, miniBatch, control } = options;
  const { index, label, size } = await embedTrainSplit({ dataset, teacher, emit }, file, view);
  try {
    const store = await openEmbeddingStore(file, { verify: false });
    try {
      const clusters =
        from === 'class-means'
          ? await classMeans(store, required(label), dataset.classes.length)
          : await sphericalKMeans(store, {
              clusters: clustersOf(options, dataset.classes),
              random: random('k-means'),
              miniBatch,
              onProgress: ({ phase, iteration, of }) =>
                emit({
                  type: 'work',
                  what: `k-means, ${phase === 'pass' ? 'passes' : 'mini-batches'}`,
                  done: iteration,
                  of,
                }),
            });
      // It ends as soon as it has settled.
      emit({ type: 'work', what: 'k-means', done: 1, of: 1 });
      const rows = pickRows(store.count, random('picture'));
      const embeddings = await readRows(store, rows, size);
      emit({
        type: 'info',
        message: `centers: ${clusters.centers.shape[0]} of ${store.count} embeddings of ${size} numbers, mean distance ${(clusters.inertia / store.count).toFixed(3)} after ${clusters.iterations} iterations`,
      });
      return { ...controlled(clusters, control, random('control')), index, label, sample: { rows, embeddings } };
    } finally {
      await store.close();
    }
  } finally {
    rmSync(file, { force: true });
  }
}

/** K of k-means. */
export function clustersOf({ clusters }: KdrlOptions['centers'], classes: readonly string[]): number {
  return clusters ?? (classes.length || 256);
}

/** Writes the embedding of every train sample. */
async function embedTrainSplit(
  { dataset, teacher, emit }: { dataset: Dataset; teacher: Teacher; emit: Emit },
  file: string,
  view: number | undefined,
): Promise<{ index: Int32Array; label?: Int32Array; size: number }> {
  const steps = batchesPerEpoch(dataset, 'train');
  const numbers: number[] = [];
  const labels: number[] = [];
  let writer: Awaited<ReturnType<typeof createEmbeddingStore>> | undefined;
  let size = 0;
  try {
    for (let step = 0; step < steps; step++) {
      const batch = await dataset.batch({ split: 'train', epoch: view ?? 0, step }, { augment: view !== undefined });
      const output = await teacher.infer(batch);
      const embedding = embeddingOf(output);
      if (!embedding) throw new RunError(`teacher "${teacher.id}" gives no embedding`);
      size = embedding.shape[1];
      writer ??= await createEmbeddingStore(file, size);
      await writer.append((await embedding.data()) as Float32Array);
      tf.dispose(outputTensors(output));
      numbers.push(...batch.index);
      emit({ type: 'work', what: 'embedding the train split', done: numbers.length, of: dataset.sizes.train });
      if (batch.targets.label) labels.push(...(batch.targets.label.data as Int32Array));
    }
    await writer?.finish();
  } catch (error) {
    await writer?.abandon();
    throw error;
  }
  const label = labels.length === numbers.length ? { label: Int32Array.from(labels) } : {};
  return { index: Int32Array.from(numbers), ...label, size };
}

function required(label: Int32Array | undefined): Int32Array {
  if (label) return label;
  throw new InputError('trainer.centers: class-means needs labels, and the train split has none', {
    hints: ['from: k-means needs no labels'],
  });
}

/** The two controls: centers that mean nothing, and centers that are another's. The inertia stays that of what was found. */
function controlled(clusters: Clusters, control: KdrlOptions['centers']['control'], random: Random): Clusters {
  if (control === 'shuffled') return { ...clusters, assignment: random.shuffle(clusters.assignment.slice()) };
  if (control === 'none') return clusters;
  const { shape } = clusters.centers;
  const [count, size] = shape;
  const data = random.fill(new Float32Array(count * size), 'normal');
  for (let k = 0; k < count; k++) {
    const row = data.subarray(k * size, (k + 1) * size);
    const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
    row.forEach((value, d) => (row[d] = value / length));
  }
  return { ...clusters, centers: { data, shape } };
}

function pickRows(count: number, random: Random): Int32Array {
  const all = random.shuffle(Int32Array.from({ length: count }, (_, i) => i));
  return all.subarray(0, pictured).sort();
}

async function readRows(
  store: Awaited<ReturnType<typeof openEmbeddingStore>>,
  rows: Int32Array,
  size: number,
): Promise<Float32Array> {
  const embeddings = new Float32Array(rows.length * size);
  for (const [i, row] of rows.entries()) embeddings.set(await store.read(row, row + 1), i * size);
  return embeddings;
}
