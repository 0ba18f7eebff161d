import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { InputError, Random, type Student } from '@retort/core';
import { buildStudent } from './build-student.js';
import { clipNaming } from './clip-naming.js';
import { clipNormalization, type ClipSettings, clipSpec } from './clip-spec.js';
import { blockCount } from './larger-network.js';
import { type Naming, readWeights } from './published-weights.js';
import { type SafetensorsFile, withSafetensors } from './safetensors-file.js';

/** A trained CLIP from a file. */
export interface OpenedClip extends Omit<Student, 'noise'> {
  settings: ClipSettings;
  /** sha256 of the file. */
  fingerprint: string;
}

export interface OpenClipOptions {
  /** [H, W] of the images it will be given, multiples of a patch; by default the square that it was trained on. */
  imageSize?: [number, number];
  /** Ids of a text; by default as many as it was trained on, which is the most. */
  contextLength?: number;
  /** The id that closes a text; by default the last of the vocabulary, as in CLIP's. */
  endToken?: number;
  /** What a file does not tell: quick-gelu in OpenAI's weights, gelu in most others. */
  activation?: ClipSettings['activation'];
  /** What a file does not tell: heads of attention, by default one for 64 channels, as in all published CLIPs. */
  heads?: { image?: number; text?: number };
  /** Of pixels in [0, 1]; CLIP's own unless told. */
  normalization?: ClipSettings['normalization'];
  /** For errors. */
  where?: string;
}

/**
 * Opens a CLIP with vision and text transformers: a safetensors file in the naming of Hugging Face or open_clip, its sizes read from
 * the shapes of its tensors. The network takes `image`, pixels in [0, 1], and `tokens`, and gives imageEmbedding, textEmbedding and
 * logitScale; `forward` and `subNetwork` of `@retort/nn` run it on the current backend, or one encoder of it. The caller disposes
 * `model`.
 *
 * @throws InputError when the file is damaged, holds something else, or cannot be used as asked
 */
export function openClip(path: string, options: OpenClipOptions = {}): Promise<OpenedClip> {
  const { where } = options;
  return withSafetensors(path, { where }, async (file) => {
    const naming = clipNaming(file, { where });
    const settings = settingsOf(file, naming, options);
    const spec = clipSpec(settings);
    const values = await readWeights(spec, file, { naming, where });
    // Every weight is in the file: nothing is drawn.
    const student = buildStudent(spec, 'clip', new Random([0, 0]), values);
    return { ...student, imports: '@retort/models/layers', settings, fingerprint: await fileDigest(path) };
  });
}

/** Sizes as tensors have them. */
function settingsOf(
  file: SafetensorsFile,
  naming: Naming,
  {
    imageSize,
    contextLength,
    endToken,
    activation = 'quick-gelu',
    heads = {},
    normalization = clipNormalization,
    where,
  }: OpenClipOptions,
): ClipSettings {
  const { path, shapes } = file;
  const shapeOf = (name: string, rank: number): number[] => {
    const { parts, swapped } = naming(name);
    const shape = shapes.get(parts[0]);
    if (!shape) throw new InputError(`${path} has no tensor "${parts[0]}"`, { where });
    if (shape.length !== rank) {
      throw new InputError(`${path}: "${parts[0]}" is [${shape.join(', ')}], a CLIP's has ${rank} axes`, { where });
    }
    return swapped ? shape.toReversed() : shape;
  };
  const [width, , patchSize] = shapeOf('visual.conv1.weight', 4);
  const [places] = shapeOf('visual.positional_embedding', 2);
  const [embedding] = shapeOf('visual.proj.weight', 2);
  const [vocabularySize, textWidth] = shapeOf('token_embedding.weight', 2);
  const [longest] = shapeOf('positional_embedding', 2);
  if (contextLength !== undefined && contextLength > longest) {
    throw new InputError(`${path} reads texts of ${longest} ids at most, they have ${contextLength}`, {
      hints: [`contextLength: ${longest}   # of the data set's tokenizer`],
      where,
    });
  }
  // A file without blocks is told what it lacks.
  for (const tower of ['visual.blocks', 'blocks']) shapeOf(`${tower}.0.norm1.weight`, 1);
  const side = Math.sqrt(places - 1) * patchSize;
  if (!Number.isInteger(side) && imageSize === undefined) {
    throw new InputError(`${path} was trained on ${places - 1} patches, which are no square`, {
      hints: ['give the size of the images: imageSize'],
      where,
    });
  }
  const [rows, columns] = imageSize ?? [side, side];
  return {
    image: {
      width,
      depth: blockCount(file, naming, 'visual.blocks'),
      heads: heads.image ?? Math.max(1, Math.round(width / 64)),
      patchSize,
    },
    text: {
      width: textWidth,
      depth: blockCount(file, naming, 'blocks'),
      heads: heads.text ?? Math.max(1, Math.round(textWidth / 64)),
    },
    embedding,
    activation,
    boxHead: false,
    imageShape: [rows, columns, 3],
    normalization,
    vocabularySize,
    contextLength: contextLength ?? longest,
    endToken: endToken ?? vocabularySize - 1,
  };
}

async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
