import { createRegistry, Random, Seeds, sha256, type Batch, type Dataset } from '@retort/core';
import { composeScene, paintScene, sceneClasses, shapes, signedDistance } from './scene.js';
import { sceneDifficulties, scenes } from './scenes.js';

function make(options: Record<string, unknown> = {}, seed = 1): Dataset {
  return scenes.create(scenes.options.parse({ train: 90, test: 27, batchSize: 100, ...options }) as never, {
    scope: createRegistry([]).createScope(),
    seeds: new Seeds(seed),
    baseFolder: '.',
    path: 'dataset',
  }) as Dataset;
}

const first = (dataset: Dataset, split: 'train' | 'validation' | 'test') => dataset.batch({ split, epoch: 0, step: 0 });

/** The images of a batch, one after the other. */
function imagesOf({ inputs, size }: Batch): Float32Array[] {
  const data = inputs.image!.data as Float32Array;
  const length = data.length / size;
  return Array.from({ length: size }, (_, i) => data.subarray(i * length, (i + 1) * length));
}

/** A digest of each image by sample number, in order of the numbers. */
function digestsOf(batch: Batch): Map<number, string> {
  const digests = imagesOf(batch).map((image) => sha256(new Uint8Array(image.slice().buffer)));
  return new Map(Array.from(batch.index, (number, i) => [number, digests[i]] as const).sort(([a], [b]) => a - b));
}

/** Mean and deviation. */
function momentsOf(values: Float32Array | Uint8Array): [number, number] {
  let [sum, squares] = [0, 0];
  for (const value of values) {
    sum += value;
    squares += value ** 2;
  }
  const mean = sum / values.length;
  return [mean, Math.sqrt(squares / values.length - mean ** 2)];
}

describe('scenes', () => {
  it('has balanced, named classes', async () => {
    const dataset = make();
    expect(dataset.classes).toHaveLength(9);
    expect(dataset.classes.slice(0, 4)).toEqual(['plain disc', 'striped disc', 'dotted disc', 'plain triangle']);
    expect(dataset.sizes).toEqual({ train: 81, validation: 9, test: 27 });
    expect(dataset.imageShape).toEqual([24, 24, 3]);
    const labels = [...(await first(dataset, 'train')).targets.label!.data];
    for (let label = 0; label < 9; label++) expect(labels.filter((x) => x === label)).toHaveLength(9);
    expect(make({ classes: 12 }).classes).toEqual(sceneClasses);
    expect((await first(make({ size: 32, classes: 3 }), 'test')).inputs.image!.shape).toEqual([27, 32, 32, 3]);
  });

  it('has the same images in runs of every seed, and others for every data seed', async () => {
    const [one, two] = [make({}, 1), make({}, 2)];
    expect([...digestsOf(await first(one, 'train'))]).toEqual([...digestsOf(await first(two, 'train'))]);
    expect([...digestsOf(await first(one, 'test'))]).toEqual([...digestsOf(await first(two, 'test'))]);
    expect(two.fingerprint).toBe(one.fingerprint);
    const other = make({ dataSeed: 1 });
    expect(other.fingerprint).not.toBe(one.fingerprint);
    expect(digestsOf(await first(other, 'test')).get(0)).not.toBe(digestsOf(await first(one, 'test')).get(0));
  });

  it('keeps these very images: a change of the generator must count GENERATOR up', async () => {
    const bytes = (batch: Batch) => Uint8Array.from(batch.inputs.image!.data, (value) => Math.round(value * 255));
    expect(sha256(bytes(await first(make(), 'test')))).toBe(
      'eae1cf66bcb216800141fdb75fee795e4460f811a418e67a4a9c815367ee31ad',
    );
  });

  it('moves the train range, keeping the images of the overlap and the test split', async () => {
    const [base, moved] = [make({ validation: 0 }), make({ validation: 0, offset: 60 })];
    const [before, after] = [digestsOf(await first(base, 'train')), digestsOf(await first(moved, 'train'))];
    expect([Math.min(...after.keys()), Math.max(...after.keys())]).toEqual([60, 149]);
    for (let number = 60; number < 90; number++) expect(after.get(number)).toBe(before.get(number));
    const test = digestsOf(await first(base, 'test'));
    expect([...digestsOf(await first(moved, 'test'))]).toEqual([...test]);
    expect(test.get(0)).not.toBe(before.get(0));
  });

  it('relabels and leaves out classes for teachers that specialise', async () => {
    const batch = await first(
      make({ train: 900, size: 16, batchSize: 900, randomLabels: [3, 4, 5], without: [6, 7, 8] }),
      'train',
    );
    const labels = batch.targets.label!.data;
    let wrong = 0;
    batch.index.forEach((number, i) => {
      expect(number % 9).toBeLessThan(6);
      if (number % 9 < 3) expect(labels[i]).toBe(number % 9);
      else wrong += Number(labels[i] !== number % 9);
    });
    // 270 labels, eight in nine of them wrong.
    expect(Math.abs(wrong - 240)).toBeLessThan(5 * Math.sqrt((270 * 8) / 81));
  });

  it('has pixels of about the published mean and deviation at every difficulty', async () => {
    for (const difficulty of ['easy', 'medium', 'hard']) {
      const dataset = make({ train: 200, batchSize: 200, difficulty });
      const [mean, deviation] = momentsOf((await first(dataset, 'train')).inputs.image!.data as Float32Array);
      expect(Math.abs(mean - dataset.normalization.mean[0])).toBeLessThan(0.04);
      expect(Math.abs(deviation - dataset.normalization.deviation[0])).toBeLessThan(0.04);
    }
  });

  it('overrides its preset', async () => {
    const fingerprints = [
      {},
      { noise: 0 },
      { clutter: 0 },
      { occlusion: 0 },
      { contrast: 0.5 },
      { difficulty: 'hard' },
    ].map((options) => make(options).fingerprint);
    expect(new Set(fingerprints).size).toBe(6);
    expect(make({ ...preset('hard'), difficulty: 'hard' }).fingerprint).toBe(fingerprints[5]);
  });

  it('cannot be told apart by mean colors', async () => {
    const dataset = make({ train: 900, test: 450, batchSize: 900, validation: 0 });
    const means = await Promise.all(
      (['train', 'test'] as const).map(async (split) => meanColors(await first(dataset, split))),
    );
    const centroids = Array.from({ length: 9 }, (_, label) => {
      const members = means[0].filter((sample) => sample.label === label);
      return [0, 1, 2].map((c) => members.reduce((sum, { color }) => sum + color[c], 0) / members.length);
    });
    const distance = (a: number[], b: number[]) => Math.hypot(...a.map((value, c) => value - b[c]));
    const right = means[1].filter(({ color, label }) => {
      const distances = centroids.map((centroid) => distance(centroid, color));
      return distances.indexOf(Math.min(...distances)) === label;
    });
    // A ninth by chance; the plain shapes are a little brighter.
    expect(right.length / 450).toBeLessThan(0.3);
  });
});

describe('a scene', () => {
  const clear = { ...sceneDifficulties.easy, noise: 0, clutter: 0, rotation: 0 };

  it('covers the area of its shape', () => {
    const radius = 40;
    const areas = {
      disc: Math.PI * (0.8 * radius) ** 2,
      triangle: (3 * Math.sqrt(3) * radius ** 2) / 4,
      square: 2 * radius ** 2,
      // Two bars of 1.9 by 0.6 radii, less the middle that both have.
      cross: (2 * 1.9 * 0.6 - 0.6 ** 2) * radius ** 2,
    };
    for (const shape of shapes) {
      let inside = 0;
      for (let v = -50; v < 50; v++)
        for (let u = -50; u < 50; u++) inside += Number(signedDistance(shape, u + 0.5, v + 0.5, radius) < 0);
      expect(inside / areas[shape]).toBeCloseTo(1, 1);
    }
  });

  it('has its object wholly or nearly inside, and lighter than what is around it', () => {
    for (let index = 0; index < 30; index++) {
      const random = new Random([5, index]);
      const scene = composeScene(random, 0, 48, clear);
      const { x, y, radius, color } = scene.object;
      for (const center of [x, y]) {
        expect(center).toBeGreaterThan(0.79 * radius);
        expect(center).toBeLessThan(48 - 0.79 * radius);
      }
      const pixels = paintScene(scene, 48, random);
      const at = (Math.floor(y) * 48 + Math.floor(x)) * 3;
      expect([...pixels.slice(at, at + 3)]).toEqual(color.map((value) => Math.round(value * 255)));
      expect(Math.min(...color)).toBeGreaterThan(Math.max(...scene.background[0]));
    }
  });

  it('is inked by texture: nothing when plain, some when dotted, about half when striped', () => {
    const inked = [0, 1, 2].map((label) => {
      const random = new Random([7, 7]);
      const scene = composeScene(random, label, 96, clear);
      scene.object.color = [1, 1, 1];
      scene.object.ink = [0, 0, 0];
      const pixels = paintScene(scene, 96, random);
      const { x, y, radius } = scene.object;
      let sum = 0;
      let count = 0;
      for (let row = 0; row < 96; row++) {
        for (let column = 0; column < 96; column++) {
          if (Math.hypot(column + 0.5 - x, row + 0.5 - y) > 0.8 * radius - 1) continue;
          sum += 1 - pixels[(row * 96 + column) * 3] / 255;
          count++;
        }
      }
      return sum / count;
    });
    expect(inked[0]).toBe(0);
    expect(Math.abs(inked[1] - 0.5)).toBeLessThan(0.1);
    // A dot of radius 0.38 in a cell of side 1.
    expect(Math.abs(inked[2] - Math.PI * 0.38 ** 2)).toBeLessThan(0.1);
  });

  it('has noise of the asked deviation', () => {
    const random = new Random([9, 9]);
    const scene = composeScene(random, 0, 64, { ...clear, noise: 0.05 });
    scene.background = [
      [0.5, 0.5, 0.5],
      [0.5, 0.5, 0.5],
    ];
    scene.object.color = [0.5, 0.5, 0.5];
    const pixels = paintScene(scene, 64, random);
    const [mean, deviation] = momentsOf(pixels);
    // 12,288 samples: a standard error of 0.1 around 127.5, and 0.6 % of the deviation.
    expect(Math.abs(mean - 127.5)).toBeLessThan(0.7);
    expect(Math.abs(deviation / 255 - 0.05)).toBeLessThan(0.002);
  });
});

function preset(name: 'hard') {
  const { noise, clutter, occlusion, contrast } = sceneDifficulties[name];
  return { noise, clutter, occlusion, contrast };
}

function meanColors(batch: Batch): { color: number[]; label: number }[] {
  const labels = batch.targets.label!.data;
  return imagesOf(batch).map((image, i) => ({
    label: labels[i],
    color: [0, 1, 2].map((c) => momentsOf(image.filter((_, k) => k % 3 === c))[0]),
  }));
}
