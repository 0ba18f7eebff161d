import { definePart, z } from '@retort/core';
import { buildPublished, initializeFromOption, publishedOptions } from './build-published.js';
import { transformerBlock } from './transformer-block.js';
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
  tiny: { width: 192, depth: 12, heads: 3 },
  small: { width: 384, depth: 12, heads: 6 },
  base: { width: 768, depth: 12, heads: 12 },
};

/** Vision transformer with a class token (Dosovitskiy et al. 2021) in the sizes of DeiT (Touvron et al. 2021). */
export const deit = definePart('student', {
  name: 'deit',
  summary: 'vision transformer DeiT-Ti, S or B, or of any size, with timm’s weights if given',
  options: z.strictObject({
    variant: z
      .enum(['tiny', 'small', 'base'])
      .default('tiny')
      .describe('Width 192, 384, 768; heads 3, 6, 12; depth 12.'),
    ...transformerOptions,
    ...initializeFromOption,
    ...publishedOptions("timm's names (patch_embed.proj.weight, blocks.0.attn.qkv.weight, head.weight)"),
  }),
  create: ({ variant, weights, initializeFrom, classifier, ...options }, context) =>
    buildPublished(
      (settings) => deitSpec({ ...variants[variant], ...given(options), ...settings }),
      `deit_${variant}`,
      context,
      { weights, initializeFrom, classifier },
    ),
});

/**
 * Patches and a class token, learned positions, pre-norm blocks, layer norm, dense on the class token. The rate of drop-path rises
 * from 0 at the first block to `dropPath` at the last. Outputs: see `tokenOutputs`.
 */
export function deitSpec({
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
  const layers: LayerSpec[] = [
    ...patchTokens(grid, { patchSize, width, normalization }),
    { name: 'class_token', from: ['patches'], config: { type: 'class-token' }, published: 'cls_token' },
    { name: 'tokens', from: ['class_token', 'patches'], config: { type: 'concat', along: 'tokens' } },
    { name: 'positions', from: ['tokens'], config: { type: 'positions', grid, before: 1 }, published: 'pos_embed' },
  ];
  let last = 'positions';
  for (let block = 0; block < depth; block++) {
    const name = `block${block + 1}`;
    const rate = depth > 1 ? (dropPath * block) / (depth - 1) : dropPath;
    layers.push(...transformerBlock(name, last, { width, heads, dropPath: rate, published: `blocks.${block}` }));
    last = `${name}_mlp_add`;
  }
  const end = tokenOutputs(last, grid, { width, classes });
  return { imageShape, layers: [...layers, ...end.layers], outputs: end.outputs, blocks: blockEnds(depth) };
}
