import type { StudentContext, Tokenizer } from '@retort/core';
import { norm, transformerBlock } from './transformer-block.js';
import { blockEnds, patchGrid, patchTokens } from './vision-transformer.js';
import type { LayerSpec, NetworkSpec } from './network-spec.js';

/** Sizes of a transformer. */
export interface TowerSizes {
  /** Channels of a token. */
  width: number;
  /** Blocks. */
  depth: number;
  /** Of attention; they divide the width. */
  heads: number;
}

/** What a dual encoder is made from. */
export interface ClipSettings
  extends
    Pick<StudentContext, 'imageShape' | 'normalization'>,
    Pick<Tokenizer, 'vocabularySize' | 'contextLength' | 'endToken'> {
  image: TowerSizes & { patchSize: number };
  text: TowerSizes;
  /** D of the space that images and texts share. */
  embedding: number;
  /** OpenAI's weights were trained with quick-gelu, most of others' with gelu. */
  activation: 'quick-gelu' | 'gelu';
  /** Adds the output `boxes`. */
  boxHead: boolean;
}

/** What published CLIPs were trained with: statistics of pixels in [0, 1]. */
export const clipNormalization = {
  mean: [0.48145466, 0.4578275, 0.40821073],
  deviation: [0.26862954, 0.26130258, 0.27577711],
};

/** ε of every layer norm. */
const epsilon = 1e-5;

/**
 * Dual encoder of images and texts (Radford et al. 2021, §2.4). Image: patches and a class token, learned positions, layer norm,
 * pre-norm blocks, layer norm of the class token, projection. Text: learned tokens and positions, pre-norm blocks with a causal mask,
 * layer norm, the first end token, projection.
 *
 * Inputs: `image`, and `tokens` [N] int32. Outputs: imageEmbedding [D] and textEmbedding [D], of any length; logitScale, a scalar,
 * which hangs on the image; with a box head, boxes [4] of what text i names in image i (see {@link boxLayers}), so that there are as
 * many of both. Without it texts may be more or fewer than images.
 */
export function clipSpec(settings: ClipSettings): NetworkSpec {
  const { image, text, embedding, imageShape, contextLength, boxHead } = settings;
  const imageEnd = `image_block${image.depth}_mlp_add`;
  return {
    imageShape,
    contextLength,
    layers: [
      ...imageLayers(settings),
      projection('image_embedding', 'image_pool', embedding, image.width, 'visual.proj'),
      ...textLayers(settings),
      projection('text_embedding', 'text_pool', embedding, text.width, 'text_projection'),
      { name: 'logit_scale', from: ['image_embedding'], config: { type: 'logit-scale' }, published: 'logit_scale' },
      ...(boxHead ? boxLayers(imageEnd, 'text_embedding', { ...image, embedding }) : []),
    ],
    outputs: {
      imageEmbedding: 'image_embedding',
      textEmbedding: 'text_embedding',
      logitScale: 'logit_scale',
      ...(boxHead && { boxes: 'boxes' }),
    },
    blocks: blockEnds(image.depth, 'image_'),
  };
}

/** The last layer is `image_pool`, [D of the image]. */
function imageLayers({ image, imageShape, normalization, activation }: ClipSettings): LayerSpec[] {
  const { width, depth, patchSize } = image;
  const grid = patchGrid(imageShape, patchSize);
  const deviation = width ** -0.5;
  return [
    ...patchTokens(grid, {
      patchSize,
      width,
      normalization,
      bias: false,
      // As wide as PyTorch's convolutions start.
      deviation: (9 * patchSize ** 2) ** -0.5,
      published: 'visual.conv1',
    }),
    {
      name: 'class_token',
      from: ['patches'],
      config: { type: 'class-token', deviation },
      published: 'visual.class_embedding',
    },
    { name: 'image_tokens', from: ['class_token', 'patches'], config: { type: 'concat', along: 'tokens' } },
    {
      name: 'image_positions',
      from: ['image_tokens'],
      config: { type: 'positions', grid, before: 1, deviation },
      published: 'visual.positional_embedding',
    },
    norm('image_norm_before', 'image_positions', 'visual.ln_pre', epsilon),
    ...blocks('image', 'image_norm_before', { ...image, activation, causal: false, published: 'visual.blocks' }),
    {
      name: 'image_class',
      from: [`image_block${depth}_mlp_add`],
      config: { type: 'token-slice', start: 0, count: 1 },
    },
    norm('image_norm_after', 'image_class', 'visual.ln_post', epsilon),
    { name: 'image_pool', from: ['image_norm_after'], config: { type: 'reshape', shape: [width] } },
  ];
}

/** The last layer is `text_pool`, [D of the text]. */
function textLayers({ text, vocabularySize, endToken, activation }: ClipSettings): LayerSpec[] {
  const { width, depth } = text;
  return [
    {
      name: 'token_embedding',
      from: ['tokens'],
      config: { type: 'token-embedding', vocabularySize, width },
      published: 'token_embedding',
    },
    {
      name: 'text_positions',
      from: ['token_embedding'],
      config: { type: 'positions', deviation: 0.01 },
      published: 'positional_embedding',
    },
    ...blocks('text', 'text_positions', { ...text, activation, causal: true, published: 'blocks' }),
    norm('text_norm', `text_block${depth}_mlp_add`, 'ln_final', epsilon),
    { name: 'text_pool', from: ['text_norm', 'tokens'], config: { type: 'end-token-pool', endToken } },
  ];
}

interface BlocksOptions extends TowerSizes {
  activation: ClipSettings['activation'];
  causal: boolean;
  published: string;
}

/** They start as CLIP's code has it: the more blocks, the less each adds. */
function blocks(prefix: string, from: string, { depth, published, ...options }: BlocksOptions): LayerSpec[] {
  const { width } = options;
  const deviations = {
    attention: width ** -0.5,
    hidden: (2 * width) ** -0.5,
    last: width ** -0.5 * (2 * depth) ** -0.5,
  };
  const shared = { ...options, dropPath: 0, epsilon, deviations };
  return Array.from({ length: depth }, (_, block) =>
    transformerBlock(`${prefix}_block${block + 1}`, block === 0 ? from : `${prefix}_block${block}_mlp_add`, {
      ...shared,
      published: `${published}.${block}`,
    }),
  ).flat();
}

function projection(name: string, from: string, units: number, width: number, published: string): LayerSpec {
  return { name, from: [from], config: { type: 'dense', units, bias: false, deviation: width ** -0.5 }, published };
}

/**
 * A head for visual grounding: the text asks, with attention, the patches of its image; what it finds and the question go through a
 * hidden layer to four numbers, which become a box: the last layer is `boxes`, [4]. Texts and images are as many.
 *
 * @param tokens layer of the image's tokens [1 + N, D], the class token first
 * @param text layer of what stands for the text, [E]
 */
function boxLayers(
  tokens: string,
  text: string,
  { width, heads, embedding }: { width: number; heads: number; embedding: number },
): LayerSpec[] {
  return [
    { name: 'box_patches', from: [tokens], config: { type: 'token-slice', start: 1 } },
    norm('box_patches_norm', 'box_patches', undefined, epsilon),
    { name: 'box_key', from: ['box_patches_norm'], config: { type: 'dense', units: width } },
    { name: 'box_value', from: ['box_patches_norm'], config: { type: 'dense', units: width } },
    { name: 'box_text', from: [text], config: { type: 'reshape', shape: [1, embedding] } },
    norm('box_text_norm', 'box_text', undefined, epsilon),
    { name: 'box_query', from: ['box_text_norm'], config: { type: 'dense', units: width } },
    { name: 'box_attention', from: ['box_query', 'box_key', 'box_value'], config: { type: 'attention', heads } },
    { name: 'box_add', from: ['box_query', 'box_attention'], config: { type: 'add' } },
    norm('box_norm', 'box_add', undefined, epsilon),
    { name: 'box_found', from: ['box_norm'], config: { type: 'reshape', shape: [width] } },
    { name: 'box_hidden', from: ['box_found'], config: { type: 'dense', units: width } },
    { name: 'box_gelu', from: ['box_hidden'], config: { type: 'gelu' } },
    { name: 'box_numbers', from: ['box_gelu'], config: { type: 'dense', units: 4 } },
    { name: 'boxes', from: ['box_numbers'], config: { type: 'box-corners' } },
  ];
}
