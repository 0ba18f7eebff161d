import { definePart, z, type StudentContext } from '@retort/core';
import { buildStudent } from './build-student.js';
import { classifier } from './classifier.js';
import { convNormRelu } from './conv-norm.js';
import type { LayerSpec, NetworkSpec } from './network-spec.js';

/** Convolutions in each of the five blocks. */
const blocks = { 8: [1, 1, 1, 1, 1], 11: [1, 1, 2, 2, 2], 13: [2, 2, 2, 2, 2], 16: [2, 2, 3, 3, 3] } as const;
const widths = [64, 128, 256, 512, 512];

/** VGG with batch norm for small images (Simonyan & Zisserman 2015), in the form of CRD's benchmark: one dense layer. */
export const vgg = definePart('student', {
  name: 'vgg',
  summary: 'VGG-8, 11, 13 or 16 with batch norm for small images (Simonyan & Zisserman 2015)',
  options: z.strictObject({
    depth: z.union([z.literal(8), z.literal(11), z.literal(13), z.literal(16)]).describe('8, 11, 13 or 16.'),
  }),
  create: ({ depth }, context) =>
    buildStudent(vggSpec({ depth, ...context }), `vgg${depth}`, context.seeds.stream('init')),
});

/**
 * Five blocks of 3x3 convolutions with bias, a maximum over 2 x 2 between them, global average pooling, dense.
 * Outputs on 32 x 32 images: logits [C], embedding [512], featureMap [2, 2, 512] after the last ReLU.
 */
export function vggSpec({
  depth,
  classes,
  imageShape,
  normalization,
}: { depth: keyof typeof blocks } & Pick<StudentContext, 'classes' | 'imageShape' | 'normalization'>): NetworkSpec {
  const layers: LayerSpec[] = [{ name: 'normalize', from: ['image'], config: { type: 'normalize', ...normalization } }];
  const ends: string[] = [];
  let last = 'normalize';
  for (const [block, convolutions] of blocks[depth].entries()) {
    if (block > 0) {
      layers.push({ name: `pool${block}`, from: [last], config: { type: 'max-pool', size: 2 } });
      last = `pool${block}`;
    }
    for (let i = 0; i < convolutions; i++) {
      const name = `block${block + 1}_${i + 1}`;
      layers.push(...convNormRelu(name, last, { filters: widths[block], size: 3, bias: true }));
      last = `${name}_relu`;
    }
    ends.push(last);
  }
  layers.push(...classifier(last, classes.length));
  return { imageShape, layers, outputs: { logits: 'logits', embedding: 'pool', featureMap: last }, blocks: ends };
}
