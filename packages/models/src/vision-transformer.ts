import { InputError, z, type StudentContext } from '@retort/core';
import { initialDeviation } from './token-layer-rules.js';
import { norm } from './transformer-block.js';
import type { LayerSpec, NetworkSpec } from './network-spec.js';

/** Options that vision transformers share. */
export const transformerOptions = {
  width: z.number().int().positive().optional().describe("Channels of a token, in place of the variant's."),
  depth: z.number().int().positive().optional().describe("Blocks, in place of the variant's."),
  heads: z.number().int().positive().optional().describe("Heads of attention, in place of the variant's."),
  patchSize: z.number().int().positive().default(16).describe('Side of a patch in pixels; divides the images.'),
  dropPath: z
    .number()
    .min(0)
    .lt(1)
    .default(0)
    .describe('Stochastic depth: probability in training that a sample goes around a branch.'),
};

/** What a vision transformer is made from. */
export interface VisionTransformerSettings extends Pick<StudentContext, 'classes' | 'imageShape' | 'normalization'> {
  width: number;
  depth: number;
  heads: number;
  patchSize: number;
  dropPath: number;
}

/** Rows and columns of patches. @throws InputError when patches do not divide the image */
export function patchGrid([height, width]: readonly number[], patchSize: number): [number, number] {
  if (height % patchSize !== 0 || width % patchSize !== 0) {
    throw new InputError(`patches of ${patchSize} x ${patchSize} do not divide images of ${height} x ${width}`, {
      hints: ['choose another patchSize, or resize the images in the data set'],
    });
  }
  return [height / patchSize, width / patchSize];
}

interface PatchOptions extends Pick<StudentContext, 'normalization'> {
  patchSize: number;
  width: number;
  bias?: boolean;
  /** What the convolution starts from. */
  deviation?: number;
  /** What the convolution is called in published weights. */
  published?: string;
}

/** Normalized pixels cut into patches, a token each: the last layer is `patches`, [N, D]. */
export function patchTokens(
  [rows, columns]: [number, number],
  {
    patchSize,
    width,
    normalization,
    bias = true,
    deviation = initialDeviation,
    published = 'patch_embed.proj',
  }: PatchOptions,
): LayerSpec[] {
  return [
    { name: 'normalize', from: ['image'], config: { type: 'normalize', ...normalization } },
    {
      name: 'patch_conv',
      from: ['normalize'],
      config: { type: 'conv', filters: width, size: patchSize, stride: patchSize, bias, deviation },
      published,
    },
    { name: 'patches', from: ['patch_conv'], config: { type: 'reshape', shape: [rows * columns, width] } },
  ];
}

/**
 * What vision transformers end in: layer norm, and a dense layer of the class token. Outputs: logits [C], embedding [D], featureMap
 * [rows, columns, D] of the patches, tokens [1 + N, D], the class token first; all after the norm.
 */
export function tokenOutputs(
  from: string,
  [rows, columns]: [number, number],
  { width, classes }: { width: number } & Pick<StudentContext, 'classes'>,
): Pick<NetworkSpec, 'layers' | 'outputs'> {
  return {
    layers: [
      norm('norm', from, 'norm'),
      { name: 'class', from: ['norm'], config: { type: 'token-slice', start: 0, count: 1 } },
      { name: 'embedding', from: ['class'], config: { type: 'reshape', shape: [width] } },
      { name: 'rest', from: ['norm'], config: { type: 'token-slice', start: 1 } },
      { name: 'map', from: ['rest'], config: { type: 'reshape', shape: [rows, columns, width] } },
      {
        name: 'logits',
        from: ['embedding'],
        config: { type: 'dense', units: classes.length, deviation: initialDeviation },
        published: 'head',
      },
    ],
    outputs: { logits: 'logits', embedding: 'embedding', featureMap: 'map', tokens: 'norm' },
  };
}

/** Names of what blocks called `block1` and so on end in. */
export function blockEnds(depth: number, prefix = ''): string[] {
  return Array.from({ length: depth }, (_, block) => `${prefix}block${block + 1}_mlp_add`);
}

/** Options without those that were left out. */
export function given<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}
