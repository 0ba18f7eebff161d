import { resolve } from 'node:path';
import { definePart, InputError, z, type Student } from '@retort/core';
import { fileToStartFrom, wholeSpec } from './build-published.js';
import { buildStudent } from './build-student.js';
import { clipNaming } from './clip-naming.js';
import { clipNormalization, type ClipSettings, clipSpec } from './clip-spec.js';
import { largerClipOptions, readSomeBlocks } from './larger-network.js';
import { readWeights } from './published-weights.js';
import { withSafetensors } from './safetensors-file.js';
import { traitsOf } from './traits.js';

type Sizes = Pick<ClipSettings, 'image' | 'text' | 'embedding'>;

const variants = {
  tiny: {
    image: { width: 96, depth: 4, heads: 3, patchSize: 8 },
    text: { width: 96, depth: 2, heads: 3 },
    embedding: 96,
  },
  small: {
    image: { width: 192, depth: 6, heads: 3, patchSize: 8 },
    text: { width: 128, depth: 3, heads: 4 },
    embedding: 128,
  },
  'vit-b-32': {
    image: { width: 768, depth: 12, heads: 12, patchSize: 32 },
    text: { width: 512, depth: 12, heads: 8 },
    embedding: 512,
  },
  'vit-b-16': {
    image: { width: 768, depth: 12, heads: 12, patchSize: 16 },
    text: { width: 512, depth: 12, heads: 8 },
    embedding: 512,
  },
  'vit-l-14': {
    image: { width: 1024, depth: 24, heads: 16, patchSize: 14 },
    text: { width: 768, depth: 12, heads: 12 },
    embedding: 768,
  },
} satisfies Record<string, Sizes>;

type Variant = keyof typeof variants;

const size = () => z.number().int().positive().optional();

/** Dual encoder of images and texts (Radford et al. 2021). */
export const clip = definePart('student', {
  name: 'clip',
  summary: 'dual encoder CLIP of any size, for data sets with texts, with published weights if given',
  options: z.strictObject({
    variant: z
      .enum(Object.keys(variants) as [Variant, ...Variant[]])
      .default('tiny')
      .describe('tiny and small are for images of 32 to 64 pixels, the others are those of the paper for 224.'),
    width: size().describe("Channels of an image's token, in place of the variant's."),
    depth: size().describe("Blocks of the image encoder, in place of the variant's."),
    heads: size().describe("Heads of attention in the image encoder, in place of the variant's."),
    patchSize: size().describe("Side of a patch in pixels, in place of the variant's; divides the images."),
    textWidth: size().describe("Channels of a text's token, in place of the variant's."),
    textDepth: size().describe("Blocks of the text encoder, in place of the variant's."),
    textHeads: size().describe("Heads of attention in the text encoder, in place of the variant's."),
    embedding: size().describe("Dimensions of the space that images and texts share, in place of the variant's."),
    activation: z
      .enum(['quick-gelu', 'gelu'])
      .default('quick-gelu')
      .describe("quick-gelu, x · σ(1.702 x), is what OpenAI's weights were trained with; most others were with gelu."),
    boxHead: z
      .boolean()
      .default(false)
      .describe('Adds the output boxes, what text i names in image i, for visual grounding.'),
    weights: z
      .string()
      .optional()
      .describe('safetensors file to start from, in the naming of Hugging Face or open_clip.'),
    initializeFrom: z
      .strictObject(largerClipOptions)
      .optional()
      .describe('Starts from some blocks of a deeper CLIP of the same widths, and from all that is around them.'),
  }),
  create: async ({ variant, activation, boxHead, weights, initializeFrom, ...options }, context): Promise<Student> => {
    const { text, imageShape, seeds, baseFolder, path: where } = context;
    if (!text) {
      throw new InputError('student clip reads texts, and the data set has none', {
        hints: ['choose a data set with captions or prompts of classes, and give it a tokenizer'],
        where,
      });
    }
    const { vocabularySize, contextLength, endToken } = text.tokenizer;
    const path = fileToStartFrom({ weights, initializeFrom, where });
    const normalization = path === undefined ? context.normalization : clipNormalization;
    const sizes = sizesOf(variants[variant], options);
    const settings = {
      ...sizes,
      activation,
      boxHead,
      imageShape,
      normalization,
      vocabularySize,
      contextLength,
      endToken,
    };
    const spec = wholeSpec(() => clipSpec(settings), where);
    const values =
      path === undefined
        ? undefined
        : await withSafetensors(resolve(baseFolder, path), { where }, (file) => {
            const naming = clipNaming(file, { where });
            if (!initializeFrom) return readWeights(spec, file, { naming, where });
            const blocks = { 'visual.blocks': initializeFrom.blocks, blocks: initializeFrom.textBlocks };
            return readSomeBlocks(spec, file, { naming, blocks, where });
          });
    const student = buildStudent(spec, `clip_${variant}`, seeds.stream('init'), values);
    return { ...student, ...traitsOf(student.model, seeds) };
  },
});

/** Sizes of a published variant, for `clipSpec`. */
export function clipSizes(variant: Variant): Sizes {
  return variants[variant];
}

interface SizeOptions {
  width?: number;
  depth?: number;
  heads?: number;
  patchSize?: number;
  textWidth?: number;
  textDepth?: number;
  textHeads?: number;
  embedding?: number;
}

function sizesOf({ image, text, embedding }: Sizes, options: SizeOptions): Sizes {
  return {
    image: {
      width: options.width ?? image.width,
      depth: options.depth ?? image.depth,
      heads: options.heads ?? image.heads,
      patchSize: options.patchSize ?? image.patchSize,
    },
    text: {
      width: options.textWidth ?? text.width,
      depth: options.textDepth ?? text.depth,
      heads: options.textHeads ?? text.heads,
    },
    embedding: options.embedding ?? embedding,
  };
}
