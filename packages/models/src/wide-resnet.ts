import { definePart, z, type StudentContext } from '@retort/core';
import { buildStudent } from './build-student.js';
import { classifier } from './classifier.js';
import type { LayerSpec, NetworkSpec } from './network-spec.js';

/** Wide residual network of pre-activation blocks (Zagoruyko & Komodakis 2016), without dropout. */
export const wideResnet = definePart('student', {
  name: 'wide-resnet',
  summary: 'wide residual network WRN-d-k for small images (Zagoruyko & Komodakis 2016)',
  options: z.strictObject({
    depth: z
      .number()
      .int()
      .refine((depth) => depth >= 10 && depth % 6 === 4, 'must be 6n + 4: 10, 16, 22, 28, 40 …')
      .describe('Number of weighted layers, 6n + 4: 10, 16, 22, 28, 40 …'),
    widen: z.number().int().positive().default(1).describe('k: the stages have 16k, 32k and 64k channels.'),
  }),
  create: ({ depth, widen }, context) =>
    buildStudent(wideResnetSpec({ depth, widen, ...context }), `wrn_${depth}_${widen}`, context.seeds.stream('init')),
});

/**
 * Convolution 3x3 to 16 channels, three groups of (depth − 4) / 6 blocks BN-ReLU-conv-BN-ReLU-conv with strides 1, 2, 2, BN, ReLU,
 * global average pooling, dense. Where the channels change the shortcut is a bare 1x1 convolution of the activated input.
 * Outputs on 32 x 32 images: logits [C], embedding [64k], featureMap [8, 8, 64k] after the last ReLU.
 */
export function wideResnetSpec({
  depth,
  widen,
  classes,
  imageShape,
  normalization,
}: { depth: number; widen: number } & Pick<StudentContext, 'classes' | 'imageShape' | 'normalization'>): NetworkSpec {
  const blocks = (depth - 4) / 6;
  const layers: LayerSpec[] = [
    { name: 'normalize', from: ['image'], config: { type: 'normalize', ...normalization } },
    { name: 'stem_conv', from: ['normalize'], config: { type: 'conv', filters: 16, size: 3 } },
  ];
  const activated = (name: string, from: string): string => {
    layers.push(
      { name: `${name}_norm`, from: [from], config: { type: 'batch-norm' } },
      { name: `${name}_relu`, from: [`${name}_norm`], config: { type: 'relu' } },
    );
    return `${name}_relu`;
  };
  const groups: string[] = [];
  let last = 'stem_conv';
  let channels = 16;
  for (const [group, factor] of [16, 32, 64].entries()) {
    const filters = factor * widen;
    for (let block = 0; block < blocks; block++) {
      const name = `group${group + 1}_block${block + 1}`;
      const stride = group > 0 && block === 0 ? 2 : 1;
      const first = activated(`${name}_1`, last);
      layers.push({ name: `${name}_1_conv`, from: [first], config: { type: 'conv', filters, size: 3, stride } });
      const second = activated(`${name}_2`, `${name}_1_conv`);
      layers.push({ name: `${name}_2_conv`, from: [second], config: { type: 'conv', filters, size: 3 } });
      let shortcut = last;
      if (filters !== channels) {
        shortcut = `${name}_shortcut_conv`;
        layers.push({ name: shortcut, from: [first], config: { type: 'conv', filters, size: 1, stride } });
      }
      layers.push({ name: `${name}_add`, from: [`${name}_2_conv`, shortcut], config: { type: 'add' } });
      last = `${name}_add`;
      channels = filters;
    }
    groups.push(last);
  }
  last = activated('final', last);
  layers.push(...classifier(last, classes.length));
  return {
    imageShape,
    layers,
    outputs: { logits: 'logits', embedding: 'pool', featureMap: last },
    // The last group's sum is only normalized behind the groups.
    blocks: [...groups.slice(0, -1), last],
  };
}
