import { definePart, z, type StudentContext } from '@retort/core';
import { buildStudent } from './build-student.js';
import { classifier } from './classifier.js';
import { convNormRelu, depthwiseNorm } from './conv-norm.js';
import type { LayerSpec, NetworkSpec } from './network-spec.js';

/** ShuffleNetV2 for small images (Ma et al. 2018), width 1. */
export const shufflenetV2 = definePart('student', {
  name: 'shufflenet-v2',
  summary: 'ShuffleNetV2 1x for small images (Ma et al. 2018)',
  options: z.strictObject({}),
  create: (_, context) => buildStudent(shufflenetV2Spec(context), 'shufflenet_v2', context.seeds.stream('init')),
});

/**
 * Convolution 1x1 to 24 channels; stages of 116, 232 and 464, each a block that halves the map and 3, 7, 3 basic blocks; 1x1 to 1024
 * channels, global average pooling, dense. Splits and shuffles of channels are reshapes, permutations and crops.
 * Outputs on 32 x 32 images: logits [C], embedding [1024], featureMap [4, 4, 1024] after the last ReLU.
 */
export function shufflenetV2Spec({
  classes,
  imageShape,
  normalization,
}: Pick<StudentContext, 'classes' | 'imageShape' | 'normalization'>): NetworkSpec {
  const layers: LayerSpec[] = [
    { name: 'normalize', from: ['image'], config: { type: 'normalize', ...normalization } },
    ...convNormRelu('stem', 'normalize', { filters: 24, size: 1 }),
  ];
  const stages: string[] = [];
  let last = 'stem_relu';
  let [height, width] = imageShape;
  /** 1x1 BN ReLU, depthwise BN, 1x1 BN ReLU. */
  const branch = (name: string, from: string, filters: number, stride: number): string => {
    layers.push(
      ...convNormRelu(`${name}_1`, from, { filters, size: 1 }),
      ...depthwiseNorm(`${name}_2`, `${name}_1_relu`, { size: 3, stride }),
      ...convNormRelu(`${name}_3`, `${name}_2_norm`, { filters, size: 1 }),
    );
    return `${name}_3_relu`;
  };
  const joined = (name: string, parts: string[], filters: number): string => {
    layers.push(
      { name: `${name}_concat`, from: parts, config: { type: 'concat' } },
      ...shuffle(name, `${name}_concat`, [height, width, filters]),
    );
    return `${name}_shuffled`;
  };
  for (const [stage, [filters, blocks]] of (
    [
      [116, 3],
      [232, 7],
      [464, 3],
    ] as const
  ).entries()) {
    const half = filters / 2;
    const down = `stage${stage + 1}_down`;
    [height, width] = [Math.ceil(height / 2), Math.ceil(width / 2)];
    layers.push(
      ...depthwiseNorm(`${down}_left_1`, last, { size: 3, stride: 2 }),
      ...convNormRelu(`${down}_left_2`, `${down}_left_1_norm`, { filters: half, size: 1 }),
    );
    last = joined(down, [`${down}_left_2_relu`, branch(`${down}_right`, last, half, 2)], filters);
    for (let block = 0; block < blocks; block++) {
      const name = `stage${stage + 1}_block${block + 1}`;
      const shape: [number, number, number] = [height, width, filters];
      layers.push(
        ...channels(`${name}_left`, last, shape, 0, half),
        ...channels(`${name}_right`, last, shape, half, 0),
      );
      last = joined(name, [`${name}_left`, branch(name, `${name}_right`, half, 1)], filters);
    }
    stages.push(last);
  }
  layers.push(...convNormRelu('head', last, { filters: 1024, size: 1 }), ...classifier('head_relu', classes.length));
  return {
    imageShape,
    layers,
    outputs: { logits: 'logits', embedding: 'pool', featureMap: 'head_relu' },
    blocks: stages,
  };
}

type Map3 = [number, number, number];

/** Channels of two halves in turn: [2, K / 2] read as [K / 2, 2] (Zhang et al. 2018); the last layer is `NAME_shuffled`. */
function shuffle(name: string, from: string, [height, width, channels]: Map3): LayerSpec[] {
  const half = channels / 2;
  return [
    { name: `${name}_halves`, from: [from], config: { type: 'reshape', shape: [height * width, 2, half] } },
    { name: `${name}_turns`, from: [`${name}_halves`], config: { type: 'permute', axes: [0, 2, 1] } },
    {
      name: `${name}_shuffled`,
      from: [`${name}_turns`],
      config: { type: 'reshape', shape: [height, width, channels] },
    },
  ];
}

/** Some of the channels, as a crop of [H · W, K, 1]; the last layer is NAME. */
function channels(name: string, from: string, [height, width, count]: Map3, start: number, end: number): LayerSpec[] {
  return [
    { name: `${name}_rows`, from: [from], config: { type: 'reshape', shape: [height * width, count, 1] } },
    { name: `${name}_crop`, from: [`${name}_rows`], config: { type: 'crop', start, end } },
    { name, from: [`${name}_crop`], config: { type: 'reshape', shape: [height, width, count - start - end] } },
  ];
}
