import { cifarResnetSpec } from './cifar-resnet.js';
import { mobilenetV2Spec } from './mobilenet-v2.js';
import { countNetwork, inferShapes, type LayerSpec, type NetworkSpec } from './network-spec.js';
import { regnetSpec } from './regnet.js';
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
