import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Dataset, type NetworkOutput, Seeds, type Teacher } from '@retort/core';
import { expectClose, useBackend } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { findCenters } from './find-centers.js';
import { kdrlOptions } from './options.js';
import { plantedClusters, rowsOf, unit } from './test-support/planted.js';

const home = mkdtempSync(join(tmpdir(), 'retort-kdrl-centers-'));
const file = join(home, 'embeddings.tmp');
beforeAll(() => useBackend('cpu'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

const [N, D, K, B] = [30, 6, 3, 8];
const { values, cluster } = plantedClusters({ clusters: K, perCluster: N / K, size: D, spread: 0.2 });

/** Samples 100, 101, … in batches, whose labels the given ones are. */
function datasetWith(labels: ArrayLike<number> | null): Dataset {
  return {
    classes: ['a', 'b', 'c'],
    batchSize: B,
    sizes: { train: N, validation: 0, test: 0 },
    batch: ({ step }: { step: number }) => {
      const index = Array.from({ length: Math.min(B, N - step * B) }, (_, i) => step * B + i);
      const label = labels && { data: Int32Array.from(index, (i) => labels[i]), shape: [index.length] };
      return Promise.resolve({
        size: index.length,
        index: Int32Array.from(index, (i) => 100 + i),
        inputs: {},
        targets: { ...(label && { label }) },
      });
    },
  } as unknown as Dataset;
}

/** Gives the planted embedding of each sample. */
const teacher = {
  id: 'large',
  infer: ({ index }: { index: Int32Array }): Promise<NetworkOutput> =>
    Promise.resolve({
      embedding: tf.tensor2d(Array.from(index, (i) => Array.from(values.subarray((i - 100) * D, (i - 99) * D)))),
    }),
} as unknown as Teacher;

const find = (options: object, labels: ArrayLike<number> | null = cluster, seed = 1) =>
  findCenters(
    {
      dataset: datasetWith(labels),
      teacher,
      options: kdrlOptions.parse({ centers: options }).centers,
      emit: () => undefined,
    },
    { file, random: (name) => new Seeds(seed).stream(name) },
  );
const counts = (assignment: Int32Array) =>
  Array.from({ length: K }, (_, k) => assignment.filter((each) => each === k).length);

describe('the centers of a run', () => {
  it('are those of the planted clusters, with the numbers of the samples', async () => {
    const tensors = tf.memory().numTensors;
    const found = await find({});
    expect(Array.from(found.index)).toEqual(Array.from({ length: N }, (_, i) => 100 + i));
    // Found clusters are numbered in another order.
    const named = new Map(Array.from(found.assignment, (k, i) => [k, cluster[i]]));
    expect(named.size).toBe(K);
    expect(Array.from(found.assignment, (k) => named.get(k))).toEqual(Array.from(cluster));
    // As float16 keeps them.
    await expectClose(found.sample.embeddings, values, { relative: 1e-3 });
    expect(Array.from(found.sample.rows)).toEqual(Array.from({ length: N }, (_, i) => i));
    expect(existsSync(file)).toBe(false);
    expect(tf.memory().numTensors).toBe(tensors);
  });

  it('as a control are random directions for the same clusters', async () => {
    const [real, random] = [await find({}), await find({ control: 'random' })];
    expect(random.assignment).toEqual(real.assignment);
    const rows = rowsOf(random.centers.data, D);
    for (const [k, row] of rows.entries()) {
      expect(Math.hypot(...row)).toBeCloseTo(1, 6);
      expect(row).not.toEqual(rowsOf(real.centers.data, D)[k]);
    }
    expect((await find({ control: 'random' })).centers).toEqual(random.centers);
    expect((await find({ control: 'random' }, cluster, 2)).centers).not.toEqual(random.centers);
  });

  it('as a control are dealt out to other samples, each to as many', async () => {
    const [real, shuffled] = [await find({}), await find({ control: 'shuffled' })];
    expect(shuffled.centers).toEqual(real.centers);
    expect(shuffled.assignment).not.toEqual(real.assignment);
    expect(counts(shuffled.assignment)).toEqual(counts(real.assignment));
  });

  it('are means of the classes, of the samples whose label is known', async () => {
    const labels = cluster.map((label, i) => (i % 2 === 0 ? label : -1));
    const { centers, assignment, label } = await find({ from: 'class-means' }, labels);
    const rows = rowsOf(values, D).map(unit);
    rowsOf(centers.data, D).forEach((center, k) => {
      const own = rows.filter((_, i) => labels[i] === k);
      const expected = unit(rows[0].map((_, d) => own.reduce((sum, row) => sum + row[d], 0)));
      center.forEach((value, d) => expect(value).toBeCloseTo(expected[d], 3));
    });
    expect(assignment).toEqual(cluster);
    expect(label).toEqual(labels);
  });

  it('are refused as means of classes without labels, or of a class without any', async () => {
    await expect(find({ from: 'class-means' }, null)).rejects.toThrow('class-means needs labels');
    const lacking = cluster.map((label) => (label === 1 ? -1 : label));
    await expect(find({ from: 'class-means' }, lacking)).rejects.toThrow('no embedding is of class 1');
    expect(existsSync(file)).toBe(false);
  });
});
