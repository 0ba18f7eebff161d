import { definePart, z, type StudentContext } from '@retort/core';
import { buildPublished, publishedOptions } from './build-published.js';
import { classifier } from './classifier.js';
import { convNorm, convNormRelu, type PublishedPair } from './conv-norm.js';
import { residual } from './residual.js';
import type { LayerSpec, NetworkSpec } from './network-spec.js';

interface ResnetForm {
  /** Blocks of each stage. */
  depths: readonly number[];
  /** Three convolutions a block, the last to four times the stage's width; otherwise two, both of the stage's width. */
  bottleneck: boolean;
  /** Channels between a bottleneck's 1x1 convolutions, as a multiple of the stage's width. */
  inner: number;
  /** Of the 3x3 convolution between them. */
  groups: number;
  /** Of the first stage; doubled by each next one. */
  width: number;
}

const basic = { bottleneck: false, inner: 1, groups: 1, width: 64 };
const bottleneck = { bottleneck: true, inner: 1, groups: 1, width: 64 };

/** torchvision's names. */
const variants = {
  resnet18: { ...basic, depths: [2, 2, 2, 2] },
  resnet34: { ...basic, depths: [3, 4, 6, 3] },
  resnet50: { ...bottleneck, depths: [3, 4, 6, 3] },
  resnet101: { ...bottleneck, depths: [3, 4, 23, 3] },
  wide_resnet50_2: { ...bottleneck, depths: [3, 4, 6, 3], inner: 2 },
  resnext50_32x4d: { ...bottleneck, depths: [3, 4, 6, 3], inner: 2, groups: 32 },
} satisfies Record<string, ResnetForm>;

type Variant = keyof typeof variants;

/**
 * Residual networks for ImageNet (He et al. 2016; Zagoruyko & Komodakis 2016; Xie et al. 2017) in torchvision's form: a bottleneck's
 * stride is at its 3x3 convolution, and every side of a map is padded alike.
 */
export const resnet = definePart('student', {
  name: 'resnet',
  summary: 'ResNet-18 to 101, Wide-ResNet-50-2, ResNeXt-50 for ImageNet, with torchvision’s weights if given',
  options: z.strictObject({
    variant: z.enum(Object.keys(variants) as [Variant, ...Variant[]]).describe("torchvision's name of the network."),
    ...publishedOptions("torchvision's names (conv1.weight, layer1.0.bn1.running_mean, fc.weight)"),
  }),
  create: ({ variant, ...published }, context) =>
    buildPublished((settings) => resnetSpec({ form: variants[variant], ...settings }), variant, context, published),
});

/** The form of a published variant, for {@link resnetSpec}. */
export function resnetForm(variant: Variant): ResnetForm {
  return variants[variant];
}

/**
 * Convolution 7x7 of stride 2, maximum over 3 x 3 of stride 2, stages of residual blocks of strides 1, 2, 2, 2, global average
 * pooling, dense. Outputs on 224 x 224 images: logits [C], embedding [K], featureMap [7, 7, K] after the last ReLU; K = 512, or 2048
 * with bottlenecks.
 */
export function resnetSpec({
  form: { depths, bottleneck, inner, groups, width },
  classes,
  imageShape,
  normalization,
}: { form: ResnetForm } & Pick<StudentContext, 'classes' | 'imageShape' | 'normalization'>): NetworkSpec {
  const layers: LayerSpec[] = [
    { name: 'normalize', from: ['image'], config: { type: 'normalize', ...normalization } },
    { name: 'stem_pad', from: ['normalize'], config: { type: 'zero-pad', size: 3 } },
    ...convNormRelu('stem', 'stem_pad', { filters: width, size: 7, stride: 2, padding: 'valid' }, ['conv1', 'bn1']),
    // Zeros are as good as nothing here: they come after a ReLU.
    { name: 'stem_pool_pad', from: ['stem_relu'], config: { type: 'zero-pad', size: 1 } },
    { name: 'stem_pool', from: ['stem_pool_pad'], config: { type: 'max-pool', size: 3, stride: 2, padding: 'valid' } },
  ];
  const stages: string[] = [];
  let last = 'stem_pool';
  let channels = width;
  for (const [stage, depth] of depths.entries()) {
    const narrow = width * 2 ** stage;
    const filters = bottleneck ? 4 * narrow : narrow;
    for (let block = 0; block < depth; block++) {
      const name = `stage${stage + 1}_block${block + 1}`;
      const published = `layer${stage + 1}.${block}`;
      const pair = (number: number): PublishedPair => [`${published}.conv${number}`, `${published}.bn${number}`];
      const stride = stage > 0 && block === 0 ? 2 : 1;
      if (bottleneck) {
        const between = narrow * inner;
        layers.push(
          ...convNormRelu(`${name}_1`, last, { filters: between, size: 1 }, pair(1)),
          ...convNormRelu3x3(`${name}_2`, `${name}_1_relu`, { filters: between, stride, groups }, pair(2)),
          ...convNorm(`${name}_3`, `${name}_2_relu`, { filters, size: 1 }, pair(3)),
        );
      } else {
        layers.push(
          ...convNormRelu3x3(`${name}_1`, last, { filters, stride, groups }, pair(1)),
          ...convNorm(`${name}_2`, `${name}_1_relu`, { filters, size: 3 }, pair(2)),
        );
      }
      layers.push(
        ...residual(name, `${name}_${bottleneck ? 3 : 2}_norm`, last, {
          filters,
          stride,
          changes: stride !== 1 || filters !== channels,
          published: [`${published}.downsample.0`, `${published}.downsample.1`],
        }),
      );
      last = `${name}_relu`;
      channels = filters;
    }
    stages.push(last);
  }
  layers.push(...classifier(last, classes.length, 'fc'));
  return { imageShape, layers, outputs: { logits: 'logits', embedding: 'pool', featureMap: last }, blocks: stages };
}

/** A 3x3 convolution, padded alike on all sides at any stride, batch norm, ReLU. */
function convNormRelu3x3(
  name: string,
  from: string,
  options: { filters: number; stride: number; groups: number },
  published: PublishedPair,
): LayerSpec[] {
  if (options.stride === 1) return convNormRelu(name, from, { ...options, size: 3 }, published);
  return [
    { name: `${name}_pad`, from: [from], config: { type: 'zero-pad', size: 1 } },
    ...convNormRelu(name, `${name}_pad`, { ...options, size: 3, padding: 'valid' }, published),
  ];
}
