import { definePart, z, type StudentContext } from '@retort/core';
import { buildStudent } from './build-student.js';
import { classifier } from './classifier.js';
import { convNorm, convNormRelu } from './conv-norm.js';
import { residual } from './residual.js';
import type { LayerSpec, NetworkSpec } from './network-spec.js';

/** Stages of the published variants, as in the CIFAR form: stem of 64 channels, strides 1, 1, 2, 2. */
const variants = {
  'x-200mf': { depths: [1, 1, 4, 7], widths: [24, 56, 152, 368], groupWidth: 8, squeeze: 0 },
  'x-400mf': { depths: [1, 2, 7, 12], widths: [32, 64, 160, 384], groupWidth: 16, squeeze: 0 },
  'y-400mf': { depths: [1, 2, 7, 12], widths: [32, 64, 160, 384], groupWidth: 16, squeeze: 0.25 },
} as const;

type Variant = keyof typeof variants;

/** RegNet for small images (Radosavovic et al. 2020). Its convolutions in groups are a layer of ours, not a stock one of tfjs. */
export const regnet = definePart('student', {
  name: 'regnet',
  summary: 'RegNet X-200MF, X-400MF or Y-400MF for small images (Radosavovic et al. 2020)',
  options: z.strictObject({
    variant: z.enum(Object.keys(variants) as [Variant, ...Variant[]]).describe('Y has squeeze-and-excitation.'),
  }),
  create: ({ variant }, context) =>
    buildStudent(regnetSpec({ variant, ...context }), `regnet_${variant}`, context.seeds.stream('init')),
});

/**
 * Convolution 3x3 to 64 channels; four stages of blocks 1x1, 3x3 in groups, squeeze-and-excitation (Y), 1x1, with a residual; global
 * average pooling, dense. Outputs on 32 x 32 images: logits [C], embedding [K], featureMap [8, 8, K] after the last ReLU, K = 368 or 384.
 */
export function regnetSpec({
  variant,
  classes,
  imageShape,
  normalization,
}: { variant: Variant } & Pick<StudentContext, 'classes' | 'imageShape' | 'normalization'>): NetworkSpec {
  const { depths, widths, groupWidth, squeeze } = variants[variant];
  const layers: LayerSpec[] = [
    { name: 'normalize', from: ['image'], config: { type: 'normalize', ...normalization } },
    ...convNormRelu('stem', 'normalize', { filters: 64, size: 3 }),
  ];
  const stages: string[] = [];
  let last = 'stem_relu';
  let channels = 64;
  for (const [stage, filters] of widths.entries()) {
    for (let block = 0; block < depths[stage]; block++) {
      const name = `stage${stage + 1}_block${block + 1}`;
      const stride = stage > 1 && block === 0 ? 2 : 1;
      layers.push(
        ...convNormRelu(`${name}_1`, last, { filters, size: 1 }),
        ...convNormRelu(`${name}_2`, `${name}_1_relu`, { filters, size: 3, stride, groups: filters / groupWidth }),
      );
      let mixed = `${name}_2_relu`;
      if (squeeze > 0) {
        layers.push(...squeezeAndExcite(`${name}_se`, mixed, filters, Math.round(squeeze * channels)));
        mixed = `${name}_se_scale`;
      }
      layers.push(...convNorm(`${name}_3`, mixed, { filters, size: 1 }));
      layers.push(
        ...residual(name, `${name}_3_norm`, last, { filters, stride, changes: stride !== 1 || filters !== channels }),
      );
      last = `${name}_relu`;
      channels = filters;
    }
    stages.push(last);
  }
  layers.push(...classifier(last, classes.length));
  return { imageShape, layers, outputs: { logits: 'logits', embedding: 'pool', featureMap: last }, blocks: stages };
}

/** Channels scaled by what their means say (Hu et al. 2018); the last layer is `NAME_scale`. */
function squeezeAndExcite(name: string, from: string, channels: number, hidden: number): LayerSpec[] {
  return [
    { name: `${name}_pool`, from: [from], config: { type: 'global-average-pool' } },
    { name: `${name}_map`, from: [`${name}_pool`], config: { type: 'reshape', shape: [1, 1, channels] } },
    { name: `${name}_1_conv`, from: [`${name}_map`], config: { type: 'conv', filters: hidden, size: 1, bias: true } },
    { name: `${name}_relu`, from: [`${name}_1_conv`], config: { type: 'relu' } },
    {
      name: `${name}_2_conv`,
      from: [`${name}_relu`],
      config: { type: 'conv', filters: channels, size: 1, bias: true },
    },
    { name: `${name}_sigmoid`, from: [`${name}_2_conv`], config: { type: 'sigmoid' } },
    { name: `${name}_scale`, from: [from, `${name}_sigmoid`], config: { type: 'multiply' } },
  ];
}
