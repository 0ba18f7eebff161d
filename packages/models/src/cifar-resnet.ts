import { definePart, z, type StudentContext } from '@retort/core';
import { buildStudent } from './build-student.js';
import { classifier } from './classifier.js';
import { convNorm, convNormRelu } from './conv-norm.js';
import { residual } from './residual.js';
import type { LayerSpec, NetworkSpec } from './network-spec.js';

/** Residual network for small images (He et al. 2016, §4.2), with projections where the shape changes. */
export const cifarResnet = definePart('student', {
  name: 'cifar-resnet',
  summary: 'residual network for small images, depth 6n + 2 (He et al. 2016)',
  options: z.strictObject({
    depth: z
      .number()
      .int()
      .refine((depth) => depth >= 8 && depth % 6 === 2, 'must be 6n + 2: 8, 14, 20, 32, 44, 56, 110 …')
      .describe('Number of weighted layers, 6n + 2: 8, 14, 20, 32, 44, 56, 110 …'),
    width: z
      .tuple([z.number().int().positive(), z.number().int().positive(), z.number().int().positive()])
      .default([16, 32, 64])
      .describe('Channels of the three stages. [64, 128, 256] with a stem of 32 is the variant called x4.'),
    stem: z
      .number()
      .int()
      .positive()
      .optional()
      .describe("Channels of the first convolution; by default the first stage's."),
  }),
  create: ({ depth, width, stem }, context) =>
    buildStudent(
      cifarResnetSpec({ depth, width, stem, ...context }),
      `cifar_resnet${depth}`,
      context.seeds.stream('init'),
    ),
});

/**
 * Convolution 3x3, three stages of (depth − 2) / 6 basic blocks with strides 1, 2, 2, global average pooling, dense.
 * Strided convolutions pad as tfjs's `same` does, with zeros at the right and the bottom; PyTorch's networks pad both sides.
 * Outputs on 32 x 32 images: logits [C], embedding [64], featureMap [8, 8, 64] after the last ReLU.
 */
export function cifarResnetSpec({
  depth,
  width,
  stem = width[0],
  classes,
  imageShape,
  normalization,
}: { depth: number; width: [number, number, number]; stem?: number } & Pick<
  StudentContext,
  'classes' | 'imageShape' | 'normalization'
>): NetworkSpec {
  const blocks = (depth - 2) / 6;
  const layers: LayerSpec[] = [
    { name: 'normalize', from: ['image'], config: { type: 'normalize', ...normalization } },
    ...convNormRelu('stem', 'normalize', { filters: stem, size: 3 }),
  ];
  const stages: string[] = [];
  let last = 'stem_relu';
  let channels = stem;
  for (const [stage, filters] of width.entries()) {
    for (let block = 0; block < blocks; block++) {
      const name = `stage${stage + 1}_block${block + 1}`;
      const stride = stage > 0 && block === 0 ? 2 : 1;
      layers.push(
        ...convNormRelu(`${name}_1`, last, { filters, size: 3, stride }),
        ...convNorm(`${name}_2`, `${name}_1_relu`, { filters, size: 3 }),
      );
      layers.push(
        ...residual(name, `${name}_2_norm`, last, { filters, stride, changes: stride !== 1 || filters !== channels }),
      );
      last = `${name}_relu`;
      channels = filters;
    }
    stages.push(last);
  }
  layers.push(...classifier(last, classes.length));
  return { imageShape, layers, outputs: { logits: 'logits', embedding: 'pool', featureMap: last }, blocks: stages };
}
