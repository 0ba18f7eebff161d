import { caitSpec } from './cait.js';
import { cifarResnetSpec } from './cifar-resnet.js';
import { deitSpec } from './deit.js';
import { mobilenetV2Spec } from './mobilenet-v2.js';
import { countNetwork, inferShapes, type LayerSpec, type NetworkSpec } from './network-spec.js';
import { regnetSpec } from './regnet.js';
import { resnetForm, resnetSpec } from './resnet.js';
import { shufflenetV2Spec } from './shufflenet-v2.js';
import { vggSpec } from './vgg.js';
import { wideResnetSpec } from './wide-resnet.js';

const context = {
  classes: Array.from({ length: 100 }, (_, i) => `${i}`),
  imageShape: [32, 32, 3] as [number, number, number],
  normalization: { mean: [0, 0, 0], deviation: [1, 1, 1] },
};
const resnet = (depth: number) => cifarResnetSpec({ depth, width: [16, 32, 64], ...context });
const resnetX4 = (depth: number) => cifarResnetSpec({ depth, width: [64, 128, 256], stem: 32, ...context });

describe('counting', () => {
  // Parameters and multiply-accumulates at 100 classes: Table 1 of MTKD-RL to its last digit, and CRD's benchmark.
  it.each<[string, NetworkSpec, { parameters: number; macs?: number }]>([
    ['ResNet-20', resnet(20), { parameters: 278_324 }],
    ['ResNet-56', resnet(56), { parameters: 861_620, macs: 125_753_600 }],
    ['ResNet-110', resnet(110), { parameters: 1_736_564 }],
    ['ResNet-8x4', resnetX4(8), { parameters: 1_233_540 }],
    ['ResNet-32x4', resnetX4(32), { parameters: 7_433_860, macs: 1_083_040_768 }],
    ['WRN-28-4', wideResnetSpec({ depth: 28, widen: 4, ...context }), { parameters: 5_872_180, macs: 845_620_224 }],
    ['WRN-40-2', wideResnetSpec({ depth: 40, widen: 2, ...context }), { parameters: 2_255_156 }],
    ['RegNetX-200MF', regnetSpec({ variant: 'x-200mf', ...context }), { parameters: 2_355_156, macs: 223_350_720 }],
    ['RegNetX-400MF', regnetSpec({ variant: 'x-400mf', ...context }), { parameters: 4_813_988, macs: 466_195_968 }],
    ['RegNetY-400MF', regnetSpec({ variant: 'y-400mf', ...context }), { parameters: 5_749_012, macs: 467_123_712 }],
    ['MobileNetV2', mobilenetV2Spec({ width: 1, ...context }), { parameters: 2_353_060, macs: 22_381_056 }],
    ['MobileNetV2 half', mobilenetV2Spec({ width: 0.5, ...context }), { parameters: 812_836 }],
    ['ShuffleNetV2', shufflenetV2Spec(context), { parameters: 1_355_528, macs: 44_504_448 }],
    ['VGG-8', vggSpec({ depth: 8, ...context }), { parameters: 3_965_028 }],
    ['VGG-13', vggSpec({ depth: 13, ...context }), { parameters: 9_462_180 }],
  ])('counts %s', (_, spec, published) => {
    expect(countNetwork(spec)).toMatchObject(published);
  });

  it('follows images whose size does not halve evenly', () => {
    const shapes = inferShapes({ ...resnet(8), imageShape: [30, 33, 3] });
    expect(shapes.get('stage3_block1_relu')).toEqual([8, 9, 64]);
  });
});

describe('counting the networks for ImageNet', () => {
  const imagenet = {
    classes: Array.from({ length: 1000 }, (_, i) => `${i}`),
    imageShape: [224, 224, 3] as [number, number, number],
    normalization: context.normalization,
  };
  const residual = (variant: Parameters<typeof resnetForm>[0]) =>
    resnetSpec({ form: resnetForm(variant), ...imagenet });
  const transformer = (of: typeof deitSpec, width: number, depth: number, heads: number) =>
    of({ width, depth, heads, patchSize: 16, dropPath: 0.1, ...imagenet });

  // torchvision's num_params and GFLOPS; timm's parameters, and GMACs as the papers round them.
  it.each<[string, NetworkSpec, number, string]>([
    ['resnet18', residual('resnet18'), 11_689_512, '1.814'],
    ['resnet34', residual('resnet34'), 21_797_672, '3.664'],
    ['resnet50', residual('resnet50'), 25_557_032, '4.089'],
    ['resnet101', residual('resnet101'), 44_549_160, '7.801'],
    ['wide_resnet50_2', residual('wide_resnet50_2'), 68_883_240, '11.398'],
    ['resnext50_32x4d', residual('resnext50_32x4d'), 25_028_904, '4.230'],
    ['deit_tiny_patch16_224', transformer(deitSpec, 192, 12, 3), 5_717_416, '1.3'],
    ['deit_small_patch16_224', transformer(deitSpec, 384, 12, 6), 22_050_664, '4.6'],
    ['deit_base_patch16_224', transformer(deitSpec, 768, 12, 12), 86_567_656, '17.6'],
    ['cait_xxs24_224', transformer(caitSpec, 192, 24, 4), 11_956_264, '2.5'],
    ['cait_s24_224', transformer(caitSpec, 384, 24, 8), 46_916_200, '9.3'],
  ])('counts %s', (_, spec, parameters, gigamacs) => {
    const counted = countNetwork(spec);
    expect(counted.parameters).toBe(parameters);
    expect((counted.macs / 1e9).toFixed(gigamacs.split('.')[1].length)).toBe(gigamacs);
  });

  it('ends in maps of 7 x 7, or of patches', () => {
    expect(inferShapes(residual('resnet50')).get('stage4_block3_relu')).toEqual([7, 7, 2048]);
    expect(inferShapes(transformer(caitSpec, 192, 24, 4)).get('map')).toEqual([14, 14, 192]);
  });
});

describe('a specification that does not hold together', () => {
  const relu = (name: string, from: string): LayerSpec => ({ name, from: [from], config: { type: 'relu' } });
  const spec = (...layers: LayerSpec[]): NetworkSpec => ({ imageShape: [8, 8, 3], layers, outputs: {} });

  it('names a layer that is read before it exists', () => {
    expect(() => inferShapes(spec(relu('a', 'b'), relu('b', 'image')))).toThrow(
      'layer "a" reads "b", which no earlier layer is called',
    );
  });

  it('names a layer that stands there twice', () => {
    expect(() => inferShapes(spec(relu('a', 'image'), relu('a', 'image')))).toThrow('two layers are called "a"');
  });

  it('gives both shapes of maps that cannot be added', () => {
    const pool: LayerSpec = { name: 'half', from: ['image'], config: { type: 'conv', filters: 3, size: 1, stride: 2 } };
    expect(() => inferShapes(spec(pool, { name: 'sum', from: ['image', 'half'], config: { type: 'add' } }))).toThrow(
      'cannot add maps of 8 x 8 x 3 and 4 x 4 x 3',
    );
  });
});
