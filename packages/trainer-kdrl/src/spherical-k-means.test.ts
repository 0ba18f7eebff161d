import { Random } from '@retort/core';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import { embeddingsInMemory } from './embedding-source.js';
import { type Clusters, type ClusteringProgress, sphericalKMeans } from './spherical-k-means.js';
import { dot, normals, plantedClusters, rowsOf, unit } from './test-support/planted.js';

const random = (seed = 1) => new Random([seed, 9]);

/** Σ 1 − cos to the own center, from the definition. */
function inertia(values: Float32Array, { centers, assignment }: Clusters): number {
  const size = centers.shape[1];
  const directions = rowsOf(centers.data, size);
  return rowsOf(values, size).reduce((sum, row, i) => sum + 1 - dot(unit(row), directions[assignment[i]]), 0);
}

/** The least inertia of any way to split the rows into at most `clusters`, the best center being the direction of the sum. */
function bestInertia(values: Float32Array, size: number, clusters: number): number {
  const rows = rowsOf(values, size).map(unit);
  let best = Infinity;
  for (let code = 0; code < clusters ** rows.length; code++) {
    const sums = Array.from({ length: clusters }, () => new Array<number>(size).fill(0));
    rows.forEach((row, i) => {
      const sum = sums[Math.floor(code / clusters ** i) % clusters];
      row.forEach((value, d) => (sum[d] += value));
    });
    best = Math.min(best, rows.length - sums.reduce((total, sum) => total + Math.hypot(...sum), 0));
  }
  return best;
}

describeEachBackend('spherical k-means', () => {
  const planted = plantedClusters({ clusters: 6, perCluster: 40, size: 16, spread: 0.1 });
  const source = embeddingsInMemory(planted.values, 16);

  it.each([
    ['full', {}],
    ['mini-batch', { miniBatch: { size: 60, steps: 8 } }],
  ])('finds well separated clusters whatever the lengths, %s', async (_, form) => {
    const found = await sphericalKMeans(source, { clusters: 6, random: random(), ...form });
    // One number of a cluster per planted one, and none twice.
    const names = new Map<number, number>();
    planted.cluster.forEach((k, i) => names.set(k, names.get(k) ?? found.assignment[i]));
    expect(new Set(names.values()).size).toBe(6);
    expect(Array.from(found.assignment)).toEqual(Array.from(planted.cluster, (k) => names.get(k)));
    for (const center of rowsOf(found.centers.data, 16)) expect(Math.hypot(...center)).toBeCloseTo(1, 6);
    expect(found.inertia).toBeCloseTo(inertia(planted.values, found), 3);
  });

  it('has centers that are the directions of their members, each with its nearest', async () => {
    const found = await sphericalKMeans(source, { clusters: 6, random: random(), tolerance: 0 });
    const rows = rowsOf(planted.values, 16).map(unit);
    const centers = rowsOf(found.centers.data, 16);
    rows.forEach((row, i) => {
      const cosines = centers.map((center) => dot(row, center));
      expect(found.assignment[i]).toBe(cosines.indexOf(Math.max(...cosines)));
    });
    for (const [k, center] of centers.entries()) {
      const members = rows.filter((_, i) => found.assignment[i] === k);
      await expectClose(center, unit(center.map((_, d) => members.reduce((sum, row) => sum + row[d], 0))));
    }
  });

  it('never raises the inertia from pass to pass', async () => {
    const shapeless = Float32Array.from(normals(400 * 8, random(2)));
    for (const clusters of [3, 20, 150]) {
      const seen: ClusteringProgress[] = [];
      const found = await sphericalKMeans(embeddingsInMemory(shapeless, 8), {
        clusters,
        random: random(clusters),
        tolerance: 0,
        onProgress: (progress) => seen.push(progress),
      });
      expect(seen.length).toBe(found.iterations);
      expect(seen.length).toBeGreaterThan(3);
      for (let i = 1; i < seen.length; i++) {
        expect(seen[i].meanDistance).toBeLessThanOrEqual(seen[i - 1].meanDistance + 1e-9);
        expect(seen[i].iteration).toBe(i + 1);
      }
      expect(seen.at(-1)!.meanDistance * 400).toBeCloseTo(found.inertia, 9);
    }
  });

  it.each([
    [2, 9],
    [3, 8],
  ])('finds the best of all splits into %d of %d embeddings', async (clusters, count) => {
    const values = Float32Array.from(normals(count * 3, random(count)));
    let least = Infinity;
    // It may end in a local optimum; from a few starts one is the best there is.
    for (let seed = 0; seed < 12; seed++) {
      const found = await sphericalKMeans(embeddingsInMemory(values, 3), {
        clusters,
        random: random(seed),
        tolerance: 0,
      });
      least = Math.min(least, found.inertia);
    }
    expect(least).toBeCloseTo(bestInertia(values, 3, clusters), 5);
  });

  it('gives a cluster without members the farthest embedding', async () => {
    // A start that sees two embeddings of one direction only leaves the second center without members: the first takes all.
    const values = Float32Array.of(1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 0, 1);
    for (const form of [{}, { miniBatch: { size: 2, steps: 1 } }]) {
      for (let seed = 0; seed < 8; seed++) {
        const options = { clusters: 2, random: random(seed), startSample: 2, ...form };
        const found = await sphericalKMeans(embeddingsInMemory(values, 2), options);
        expect(Array.from(found.assignment, (k) => k === found.assignment[0])).toEqual([
          ...[true, true, true, true, true],
          false,
        ]);
      }
    }
  });

  it('leaves a cluster empty where there are fewer directions than clusters', async () => {
    const values = Float32Array.of(1, 0, 2, 0, 0, 1, 0, 5);
    const found = await sphericalKMeans(embeddingsInMemory(values, 2), { clusters: 3, random: random() });
    expect(found.inertia).toBeCloseTo(0, 6);
    expect(new Set(found.assignment).size).toBe(2);
  });

  it.each([
    ['full', {}],
    ['mini-batch', { miniBatch: { size: 50, steps: 3 } }],
  ])('is the same bit for bit run again, and whatever the chunk size, %s', async (_, form) => {
    const values = Float32Array.from(normals(301 * 12, random(5)));
    const run = (chunkSize: number) =>
      sphericalKMeans(embeddingsInMemory(values, 12), { clusters: 7, random: random(), chunkSize, ...form });
    const expected = await run(4096);
    for (const chunkSize of [4096, 300, 64, 7]) expect(await run(chunkSize)).toEqual(expected);
  });

  it('draws another start with another seed', async () => {
    const values = Float32Array.from(normals(100 * 4, random(5)));
    const run = (seed: number) =>
      sphericalKMeans(embeddingsInMemory(values, 4), { clusters: 9, random: random(seed), maxIterations: 1 });
    expect((await run(1)).centers).not.toEqual((await run(2)).centers);
  });

  it('refuses more clusters than embeddings, zeros and NaN, naming the row', async () => {
    const clustersOf = (values: number[], clusters = 2) =>
      sphericalKMeans(embeddingsInMemory(Float32Array.from(values), 2, 'teacher clip'), { clusters, random: random() });
    await expect(clustersOf([1, 0, 0, 1], 3)).rejects.toThrow('teacher clip: 3 clusters of 2 embeddings');
    await expect(clustersOf([1, 0, 0, 1, 0, 0])).rejects.toThrow('teacher clip: embedding 2 is zero');
    await expect(clustersOf([1, 0, NaN, 1, 0, 0])).rejects.toThrow('teacher clip: embedding 1 is not finite');
    await expect(clustersOf([1, 0, 1, 1, 0, Infinity])).rejects.toThrow('teacher clip: embedding 2 is not finite');
  });

  it('leaves no tensors, also when reading fails on the way', async () => {
    const run = () => sphericalKMeans(source, { clusters: 6, random: random(), chunkSize: 50 });
    await run();
    await expectNoLeak(async () => void (await run()));
    let reads = 0;
    const failing = {
      ...source,
      read: (start: number, end: number) => (++reads > 4 ? Promise.reject(new Error('disk')) : source.read(start, end)),
    };
    await expectNoLeak(() =>
      expect(sphericalKMeans(failing, { clusters: 6, random: random(), chunkSize: 50 })).rejects.toThrow('disk'),
    );
  });
});
