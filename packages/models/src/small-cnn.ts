import { definePart, z, type StudentContext } from '@retort/core';
import { buildStudent } from './build-student.js';
import { classifier } from './classifier.js';
import { convNormRelu } from './conv-norm.js';
import type { NetworkSpec } from './network-spec.js';

/** Three strided convolutions: cheap, for tests, first runs and as a weak baseline. */
export const smallCnn = definePart('student', {
  name: 'small-cnn',
  summary: 'three strided convolutions with batch norm, for tests and first runs',
  options: z.strictObject({
    width: z.number().int().positive().default(16).describe('Channels of the first layer; doubled by each next one.'),
  }),
  create: ({ width }, context) =>
    buildStudent(smallCnnSpec({ width, ...context }), 'small_cnn', context.seeds.stream('init')),
});

/** Outputs on 32 x 32 images at width w: logits [C], embedding [4w], featureMap [4, 4, 4w] after the last ReLU. */
export function smallCnnSpec({
  width,
  classes,
  imageShape,
  normalization,
}: { width: number } & Pick<StudentContext, 'classes' | 'imageShape' | 'normalization'>): NetworkSpec {
  return {
    imageShape,
    layers: [
      { name: 'normalize', from: ['image'], config: { type: 'normalize', ...normalization } },
      ...convNormRelu('layer1', 'normalize', { filters: width, size: 3, stride: 2 }),
      ...convNormRelu('layer2', 'layer1_relu', { filters: 2 * width, size: 3, stride: 2 }),
      ...convNormRelu('layer3', 'layer2_relu', { filters: 4 * width, size: 3, stride: 2 }),
      ...classifier('layer3_relu', classes.length),
    ],
    outputs: { logits: 'logits', embedding: 'pool', featureMap: 'layer3_relu' },
    blocks: ['layer1_relu', 'layer2_relu', 'layer3_relu'],
  };
}
