import { expectClose } from '@retort-tools/testing';
import { classMeans } from './class-means.js';
import { embeddingsInMemory } from './embedding-source.js';
import { dot, plantedClusters, rowsOf, unit } from './test-support/planted.js';

describe('class means', () => {
  const { values, cluster } = plantedClusters({ clusters: 3, perCluster: 11, size: 6, spread: 1 });
  const source = embeddingsInMemory(values, 6, 'teacher clip');

  it('are the directions of the mean unit embedding of each class', async () => {
    const rows = rowsOf(values, 6).map(unit);
    const expected = [0, 1, 2].map((k) => {
      const members = rows.filter((_, i) => cluster[i] === k);
      return unit(rows[0].map((_, d) => members.reduce((sum, row) => sum + row[d], 0)));
    });
    for (const chunkSize of [4096, 10]) {
      const found = await classMeans(source, cluster, 3, { chunkSize });
      expect(found.centers.shape).toEqual([3, 6]);
      await expectClose(found.centers.data, expected.flat());
      expect(found.assignment).toEqual(cluster);
      const inertia = rows.reduce((sum, row, i) => sum + 1 - dot(row, expected[cluster[i]]), 0);
      expect(found.inertia).toBeCloseTo(inertia, 5);
    }
  });

  it('leave out embeddings without a label, which belong to the nearest mean', async () => {
    const labels = cluster.map((label, i) => (i % 3 === 0 ? label : -1));
    const rows = rowsOf(values, 6).map(unit);
    const centers = [0, 1, 2].map((k) => {
      const members = rows.filter((_, i) => labels[i] === k);
      return unit(rows[0].map((_, d) => members.reduce((sum, row) => sum + row[d], 0)));
    });
    const expected = rows.map((row, i) => {
      const products = centers.map((center) => dot(row, center));
      return labels[i] >= 0 ? labels[i] : products.indexOf(Math.max(...products));
    });
    for (const chunkSize of [4096, 10]) {
      const found = await classMeans(source, labels, 3, { chunkSize });
      await expectClose(found.centers.data, centers.flat());
      expect(Array.from(found.assignment)).toEqual(expected);
      expect(found.inertia).toBeCloseTo(
        rows.reduce((sum, row, i) => sum + 1 - dot(row, centers[expected[i]]), 0),
        5,
      );
    }
    // Some of them lie nearer to the mean of a class that is not their own.
    expect(expected).not.toEqual(Array.from(cluster));
  });

  it('are refused for a class without embeddings or a direction, and for labels of another set', async () => {
    await expect(classMeans(source, cluster, 4)).rejects.toThrow('teacher clip: no embedding is of class 3');
    await expect(classMeans(source, cluster.slice(1), 3)).rejects.toThrow('32 labels for 33 embeddings');
    const opposite = embeddingsInMemory(Float32Array.of(1, 0, 0, 3, -2, 0), 2);
    await expect(classMeans(opposite, Int32Array.of(1, 0, 1), 2)).rejects.toThrow('embeddings of class 1 cancel');
  });
});
