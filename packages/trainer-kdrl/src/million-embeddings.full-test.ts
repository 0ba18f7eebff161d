import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Random } from '@retort/core';
import { useBackend } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { createEmbeddingStore, type EmbeddingStore, openEmbeddingStore } from './embedding-store.js';
import { sphericalKMeans } from './spherical-k-means.js';
import { reward } from './test-support/setup.js';

const [count, size, clusters, chunk] = [1_000_000, 1024, 256, 4096];
const GiB = 2 ** 30;

/** Most memory that the process held while `work` ran, looked at again and again. */
async function peakMemory<T>(work: () => Promise<T>): Promise<{ result: T; peak: number }> {
  let peak = 0;
  const look = () => (peak = Math.max(peak, process.memoryUsage.rss()));
  const timer = setInterval(look, 50);
  try {
    return { result: await work(), peak: Math.max(peak, look()) };
  } finally {
    clearInterval(timer);
  }
}

describe('a million embeddings of 1024 numbers', () => {
  const folder = mkdtempSync(join(tmpdir(), 'retort-million-'));
  const path = join(folder, 'embeddings.safetensors');
  const planted = new Uint8Array(count);
  let store: EmbeddingStore;
  beforeAll(() => useBackend('onnxruntime'));
  afterAll(async () => {
    await store?.close();
    rmSync(folder, { recursive: true });
  });

  it('are written, clustered and rewarded in less than 4 GiB', async () => {
    const { bavail, bsize } = statfsSync(folder);
    expect(bavail * bsize).toBeGreaterThan(3 * GiB);
    const random = new Random([12, 34]);
    const { peak } = await peakMemory(async () => {
      const centers = random.fill(new Float32Array(clusters * size), 'normal');
      // Noise is cut from a pool at random places: a billion draws would take longer than the rest.
      const pool = random.fill(new Float32Array(2 ** 19), 'normal').map((value) => 0.05 * value);
      const writer = await createEmbeddingStore(path, size);
      const rows = new Float32Array(chunk * size);
      for (let start = 0; start < count; start += chunk) {
        const filled = Math.min(chunk, count - start);
        for (let i = 0; i < filled; i++) {
          planted[start + i] = random.integer(clusters);
          const [from, noise] = [planted[start + i] * size, random.integer(pool.length - size)];
          for (let d = 0; d < size; d++) rows[i * size + d] = centers[from + d] + pool[noise + d];
        }
        await writer.append(rows.subarray(0, filled * size));
      }
      await writer.finish();

      store = await openEmbeddingStore(path);
      expect([store.count, store.size]).toEqual([count, size]);
      const options = { clusters, random, miniBatch: { size: 8192, steps: 4 }, chunkSize: chunk };
      const found = await sphericalKMeans(store, options);
      const names = new Map<number, number>();
      planted.forEach((k, i) => names.set(k, names.get(k) ?? found.assignment[i]));
      const right = planted.reduce((sum, k, i) => sum + Number(names.get(k) === found.assignment[i]), 0);
      expect(right / count).toBeGreaterThan(0.98);
      expect(new Set(names.values()).size).toBeGreaterThan(0.98 * clusters);

      // What the rewards see: the mean cosine to the own center is what the inertia says.
      const { reward: cosine } = await reward('cluster-cosine');
      const table = tf.tensor2d(found.centers.data as Float32Array, [clusters, size]);
      let total = 0;
      for (let start = 0; start < count; start += chunk) {
        const end = Math.min(count, start + chunk);
        const features = await store.read(start, end);
        const earned = tf.tidy(() => {
          const given = {
            featureActions: [tf.tensor2d(features, [end - start, size])],
            centers: table,
            assignment: tf.tensor1d(found.assignment.subarray(start, end), 'int32'),
            // Not looked at by this reward.
            logProbabilities: tf.zeros<tf.Rank.R2>([end - start, 1]),
            classAction: tf.zeros<tf.Rank.R1>([end - start], 'int32'),
          };
          return cosine.reward(given).sum();
        });
        total += (await earned.data())[0];
        earned.dispose();
      }
      table.dispose();
      expect(total / count).toBeCloseTo(1 - found.inertia / count, 4);
    });
    expect(peak).toBeLessThan(4 * GiB);
  });
});
