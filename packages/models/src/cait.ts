import { definePart, z } from '@retort/core';
import { buildPublished, publishedOptions } from './build-published.js';
import { classAttentionBlock, transformerBlock } from './transformer-block.js';
import {
  blockEnds,
  given,
  patchGrid,
  patchTokens,
  tokenOutputs,
  transformerOptions,
  type VisionTransformerSettings,
} from './vision-transformer.js';
import type { LayerSpec, NetworkSpec } from './network-spec.js';

const variants = {
  xxs24: { width: 192, depth: 24, heads: 4 },
  s24: { width: 384, depth: 24, heads: 8 },
};

/** Blocks of class attention, after those of the patches. */
const classDepth = 2;

/** Class-attention transformer (Touvron et al. 2021, "Going deeper with Image Transformers"). */
export const cait = definePart('student', {
  name: 'cait',
  summary: 'class-attention transformer CaiT-XXS24 or S24, or of any size, with timm’s weights if given',
  options: z.strictObject({
    variant: z.enum(['xxs24', 's24']).default('xxs24').describe('Width 192, 384; heads 4, 8; depth 24.'),
    ...transformerOptions,
    ...publishedOptions("timm's names (blocks.0.attn.proj_l.weight, blocks_token_only.0.gamma_1, head.weight)"),
  }),
  create: ({ variant, weights, classifier, ...options }, context) =>
    buildPublished(
      (settings) => caitSpec({ ...variants[variant], ...given(options), ...settings }),
      `cait_${variant}`,
      context,
      { weights, classifier },
    ),
});

/**
 * Patches with learned positions; blocks with talking heads and layer scale, all with the same rate of drop-path, as published; two
 * blocks of class attention without; layer norm, dense on the class token. Outputs: see `tokenOutputs`.
 */
export function caitSpec({
  width,
  depth,
  heads,
  patchSize,
  dropPath,
  classes,
  imageShape,
  normalization,
}: VisionTransformerSettings): NetworkSpec {
  const grid = patchGrid(imageShape, patchSize);
  const layerScale = initialScale(depth);
  const layers: LayerSpec[] = [
    ...patchTokens(grid, { patchSize, width, normalization }),
    { name: 'positions', from: ['patches'], config: { type: 'positions', grid, before: 0 }, published: 'pos_embed' },
  ];
  let patches = 'positions';
  for (let block = 0; block < depth; block++) {
    const name = `block${block + 1}`;
    const published = `blocks.${block}`;
    layers.push(
      ...transformerBlock(name, patches, { width, heads, talkingHeads: true, layerScale, dropPath, published }),
    );
    patches = `${name}_mlp_add`;
  }
  let token = 'class_token';
  layers.push({ name: token, from: [patches], config: { type: 'class-token' }, published: 'cls_token' });
  for (let block = 0; block < classDepth; block++) {
    const name = `class_block${block + 1}`;
    const published = `blocks_token_only.${block}`;
    layers.push(...classAttentionBlock(name, token, patches, { width, heads, layerScale, dropPath: 0, published }));
    token = `${name}_mlp_add`;
  }
  layers.push({ name: 'tokens', from: [token, patches], config: { type: 'concat', along: 'tokens' } });
  const end = tokenOutputs('tokens', grid, { width, classes });
  return { imageShape, layers: [...layers, ...end.layers], outputs: end.outputs, blocks: blockEnds(depth) };
}

/** What layer scale starts from (Touvron et al. 2021, §2): the deeper the less. */
function initialScale(depth: number): number {
  if (depth <= 18) return 0.1;
  return depth <= 24 ? 1e-5 : 1e-6;
}
