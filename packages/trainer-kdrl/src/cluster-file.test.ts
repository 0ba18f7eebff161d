import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeSafetensors } from '@retort/core';
import { loadClusters, saveClusters } from './cluster-file.js';

describe('cluster file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'retort-clusters-'));
  const path = join(folder, 'clusters.safetensors');
  afterAll(() => rmSync(folder, { recursive: true }));
  const clusters = {
    centers: { data: Float32Array.of(0.6, 0.8, 1, 0), shape: [2, 2] },
    assignment: Int32Array.of(1, 0, 1),
    inertia: 0.1 + 0.2,
    iterations: 4,
  };

  it('gives back what was saved, bit for bit', async () => {
    saveClusters(path, clusters);
    expect(await loadClusters(path)).toEqual(clusters);
  });

  it('refuses what is something else, naming the file', async () => {
    const refused = async (bytes: Uint8Array | string, message: string) => {
      writeFileSync(path, bytes);
      await expect(loadClusters(path)).rejects.toThrow(`${path} is no file of clusters: ${message}`);
    };
    const { centers } = clusters;
    const assigned = (...values: number[]) => ({ data: Int32Array.from(values), shape: [values.length] });
    await refused('x', 'truncated');
    await refused(encodeSafetensors({ assignment: assigned(0) }), 'it has no centers [K, D]');
    await refused(encodeSafetensors({ centers }), 'it has no assignment [N]');
    await refused(encodeSafetensors({ centers, assignment: assigned(0, 2) }), 'an embedding belongs to cluster 2 of 2');
    const damaged = { data: Float32Array.of(NaN, 0), shape: [1, 2] };
    await refused(encodeSafetensors({ centers: damaged, assignment: assigned(0) }), 'a center is not finite');
    await expect(loadClusters(join(folder, 'none'))).rejects.toThrow('no such file');
  });
});
