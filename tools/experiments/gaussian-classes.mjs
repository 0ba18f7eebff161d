// A data set of Gaussian classes as a plugin: what a data set of one's own takes.
import { definePart, definePlugin, Seeds, sha256, z } from '@retort/core';

/** A sample is an image of 2 x 2 pixels: 12 numbers around 0.5. */
const shape = [2, 2, 3];
const dimensions = 12;
const scale = 0.1;

const numbers = z.array(z.int().nonnegative()).default([]);
const gaussianClasses = definePart('dataset', {
  name: 'gaussian-classes',
  summary: 'classes that are Gaussians around random means',
  options: z.strictObject({
    classes: z.int().min(2).describe('How many.'),
    separation: z.number().positive().describe('Deviation of the means, in units of the noise.'),
    train: z.int().positive().describe('Train samples.'),
    test: z.int().positive().describe('Test samples.'),
    offset: z.int().nonnegative().default(0).describe('Number of the first train sample.'),
    batchSize: z.int().positive().describe('Samples in a batch.'),
    dataSeed: z.int().nonnegative().describe('Seed of means and samples.'),
    randomLabels: numbers.describe('Classes whose train labels are random.'),
    without: numbers.describe('Classes left out of the train split.'),
  }),
  create: (options, { seeds }) => {
    const { classes: count, separation, train, test, offset, batchSize, dataSeed, randomLabels, without } = options;
    const random = new Seeds(dataSeed).within('gaussian-classes');
    const means = Array.from({ length: count }, (_, c) =>
      Array.from(random.at('mean', c).fill(new Float32Array(dimensions), 'normal'), (v) => separation * v),
    );
    const labelOf = (index) => index % count;
    const numbersOf = (split, index) => {
      const noise = random.at(split, index).fill(new Float32Array(dimensions), 'normal');
      return noise.map((v, d) => 0.5 + scale * (means[labelOf(index)][d] + v));
    };
    const range = (first, length) => Array.from({ length }, (_, i) => first + i);
    const indices = {
      train: range(offset, train).filter((index) => !without.includes(labelOf(index))),
      validation: [],
      test: range(0, test),
    };
    const trainLabel = (index) =>
      randomLabels.includes(labelOf(index)) ? random.at('random-label', index).integer(count) : labelOf(index);
    return {
      classes: means.map((_, c) => `class ${c}`),
      imageShape: shape,
      batchSize,
      sizes: { train: indices.train.length, validation: 0, test },
      normalization: { mean: [0.5, 0.5, 0.5], deviation: [scale, scale, scale] },
      views: 1,
      fingerprint: sha256(JSON.stringify(options)),
      batch: async ({ split, epoch, step }) => {
        const order = split === 'train' ? seeds.at('order', epoch).shuffle([...indices.train]) : indices[split];
        const chosen = order.slice(step * batchSize, (step + 1) * batchSize);
        const size = chosen.length;
        const label = chosen.map(split === 'train' ? trainLabel : labelOf);
        return {
          split,
          epoch,
          step,
          size,
          index: Int32Array.from(chosen),
          view: new Int32Array(size),
          inputs: {
            image: {
              data: Float32Array.from(chosen.flatMap((index) => [...numbersOf(split, index)])),
              shape: [size, ...shape],
            },
          },
          targets: { label: { data: Int32Array.from(label), shape: [size] } },
        };
      },
      dispose: () => {},
    };
  },
});

export const plugin = definePlugin({
  name: 'gaussian-classes',
  register: (registry) => void registry.add(gaussianClasses),
});
