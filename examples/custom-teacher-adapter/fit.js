// Writes the centroids of both kinds of features, from 300 generated images: node fit.js
import { writeFileSync } from 'node:fs';
import { createRegistry, resolvePart, Seeds } from '@retort/core';
import { plugin as datasets } from '@retort/datasets';
import { features, featuresOf } from './features.js';

const registry = createRegistry([datasets]);
const scope = registry.createScope();
// The images of manifest.yaml's data set, but none of those that it uses.
const wanted = { use: 'scenes', difficulty: 'easy', classes: 3, train: 300, offset: 50_000, validation: 0 };
const dataset = await scope.create(resolvePart(registry, 'dataset', { ...wanted, batchSize: 300 }), {
  seeds: new Seeds(1),
  baseFolder: '.',
  path: 'dataset',
});
const { inputs, targets } = await dataset.batch({ split: 'train', epoch: 0, step: 0 }, { augment: false });
const labels = Array.from(targets.label.data);

for (const name of Object.keys(features)) {
  const rows = featuresOf(inputs.image, name);
  const mean = (chosen) => rows[0].map((_, d) => chosen.reduce((sum, row) => sum + row[d], 0) / chosen.length);
  const centroids = dataset.classes.map((_, c) => mean(rows.filter((_, i) => labels[i] === c)));
  const deviation = mean(rows.map((row, i) => row.map((x, d) => (x - centroids[labels[i]][d]) ** 2))).map(Math.sqrt);
  const rounded = (values) => values.map((value) => Number(value.toPrecision(4)));
  const file = {
    features: name,
    classes: dataset.classes,
    deviation: rounded(deviation),
    centroids: centroids.map(rounded),
  };
  writeFileSync(`${name}.json`, `${JSON.stringify(file)}\n`);
}
await scope.dispose();
