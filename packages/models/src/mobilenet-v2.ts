import { definePart, z, type StudentContext } from '@retort/core';
import { buildStudent } from './build-student.js';
import { classifier } from './classifier.js';
import { convNorm, convNormRelu, depthwiseNorm } from './conv-norm.js';
import type { LayerSpec, NetworkSpec } from './network-spec.js';

/** Expansion, channels, blocks, stride of the first block. */
const groups = [
  [1, 16, 1, 1],
  [6, 24, 2, 1],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const;

/** MobileNetV2 for small images (Sandler et al. 2018), with ReLU as the distillation literature has it. */
export const mobilenetV2 = definePart('student', {
  name: 'mobilenet-v2',
  summary: 'MobileNetV2 for small images (Sandler et al. 2018)',
  options: z.strictObject({
    width: z
      .number()
      .positive()
      .max(4)
      .default(1)
      .describe('Factor of all channels but the first and last; 0.5 is the "half" of CRD\'s tables.'),
  }),
  create: ({ width }, context) =>
    buildStudent(mobilenetV2Spec({ width, ...context }), 'mobilenet_v2', context.seeds.stream('init')),
});

/**
 * Convolution 3x3 of stride 2, inverted residuals with linear bottlenecks, 1x1 to 1280 channels, global average pooling, dense.
 * Outputs on 32 x 32 images: logits [C], embedding [1280], featureMap [2, 2, 320] of the last bottleneck, which has no ReLU.
 */
export function mobilenetV2Spec({
  width,
  classes,
  imageShape,
  normalization,
}: { width: number } & Pick<StudentContext, 'classes' | 'imageShape' | 'normalization'>): NetworkSpec {
  const scaled = (channels: number) => Math.floor(channels * width);
  const layers: LayerSpec[] = [
    { name: 'normalize', from: ['image'], config: { type: 'normalize', ...normalization } },
    ...convNormRelu('stem', 'normalize', { filters: scaled(32), size: 3, stride: 2 }),
  ];
  const ends: string[] = [];
  let last = 'stem_relu';
  let channels = scaled(32);
  for (const [group, [expansion, base, blocks, groupStride]] of groups.entries()) {
    const filters = scaled(base);
    for (let block = 0; block < blocks; block++) {
      const name = `group${group + 1}_block${block + 1}`;
      const stride = block === 0 ? groupStride : 1;
      layers.push(
        ...convNormRelu(`${name}_expand`, last, { filters: channels * expansion, size: 1 }),
        ...depthwiseNorm(`${name}_depthwise`, `${name}_expand_relu`, { size: 3, stride }),
        { name: `${name}_depthwise_relu`, from: [`${name}_depthwise_norm`], config: { type: 'relu' } },
        ...convNorm(`${name}_project`, `${name}_depthwise_relu`, { filters, size: 1 }),
      );
      const output = `${name}_project_norm`;
      if (stride === 1 && filters === channels) {
        layers.push({ name: `${name}_add`, from: [output, last], config: { type: 'add' } });
        last = `${name}_add`;
      } else last = output;
      channels = filters;
    }
    ends.push(last);
  }
  const wide = width > 1 ? scaled(1280) : 1280;
  layers.push(...convNormRelu('head', last, { filters: wide, size: 1 }), ...classifier('head_relu', classes.length));
  return { imageShape, layers, outputs: { logits: 'logits', embedding: 'pool', featureMap: last }, blocks: ends };
}
