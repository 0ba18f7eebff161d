import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runQuietly, temporaryFolder } from './test-support/compose.js';

const folder = fileURLToPath(new URL('../../../manifests/', import.meta.url));
const out = temporaryFolder();

/** Three epochs on a few images. */
const run = async (name: string) => {
  const { events, results } = await runQuietly(`${folder}${name}.yaml`, {
    set: [
      'trainer.epochs=3',
      'dataset.limit={ train: 320, validation: 100, test: 200 }',
      `run.folder=${join(out, name)}`,
    ],
  });
  const epochs = events.flatMap((event) => (event.type === 'epoch' ? [event.weights!] : []));
  return { epochs, results };
};
const sum = (weights: Record<string, number>) => Object.values(weights).reduce((a, b) => a + b);

describe('the presets of MTKD-RL, on CIFAR-100 and three ONNX teachers', () => {
  it('paper: weights are even at first, sum to one, and the agents move', async () => {
    const { epochs, results } = await run('mtkd-paper');
    for (const head of ['logit', 'feature']) {
      for (const weight of Object.values(epochs[0][head])) expect(weight).toBeCloseTo(1 / 3, 5);
      expect(sum(epochs[2][head])).toBeCloseTo(1, 4);
      expect(sum(epochs[2][`generator-${head}`])).toBeCloseTo(1, 4);
    }
    expect(epochs[2]['generator-logit']).not.toEqual(epochs[0]['generator-logit']);
    expect(Number.isFinite(results.last['test/top-1'])).toBe(true);
  });

  it('reference code: weights are ones at first and sum to one later', async () => {
    const { epochs, results } = await run('mtkd-reference-code');
    for (const head of ['logit', 'feature']) {
      expect(sum(epochs[0][head])).toBeCloseTo(3, 4);
      expect(sum(epochs[1][head])).toBeCloseTo(1, 4);
    }
    expect(Number.isFinite(results.last['test/top-1'])).toBe(true);
  });
});
