import { resolve } from 'node:path';
import { definePart, InputError, z } from '@retort/core';
import { openClip } from '@retort/models';
import { refuseStates } from './batch-image.js';
import { dualNetworkTeacher } from './dual-network-teacher.js';
import { normalizationOf, preprocessingOption } from './preprocessing.js';

const heads = z.number().int().positive().optional();

/** A published CLIP with vision and text transformers, run in this process (Radford et al. 2021). */
export const clipTeacher = definePart('teacher', {
  name: 'clip',
  summary: 'CLIP from a safetensors file, in the naming of Hugging Face or open_clip',
  options: z.strictObject({
    path: z.string().describe('The .safetensors file; sizes of the network are read from it.'),
    sha256: z.string().optional().describe('Digest the file must have.'),
    activation: z
      .enum(['quick-gelu', 'gelu'])
      .default('quick-gelu')
      .describe("What the file does not tell: quick-gelu in OpenAI's weights, gelu in most others."),
    heads: z
      .strictObject({
        image: heads.describe('Of the image encoder.'),
        text: heads.describe('Of the text encoder.'),
      })
      .default({})
      .describe('Heads of attention; by default one for 64 channels, as in all published CLIPs.'),
    imageSize: z
      .tuple([z.int().positive(), z.int().positive()])
      .optional()
      .describe(
        'Height and width that images are resized to, multiples of a patch; by default the square that the network was ' +
          'trained on. At another size its positions are interpolated.',
      ),
    preprocessing: preprocessingOption.default('clip'),
    taps: z
      .record(z.string(), z.string())
      .default({})
      .describe('Further layers of the image encoder by output name, such as tokens: image_norm_before.'),
  }),
  create: async ({ path, sha256, activation, heads, imageSize, preprocessing, taps }, context) => {
    refuseStates(context, 'clip');
    const { text, baseFolder, path: where } = context;
    const file = resolve(baseFolder, path);
    const { model, offers, settings, fingerprint } = await openClip(file, {
      activation,
      heads,
      imageSize,
      normalization: normalizationOf(preprocessing),
      // A shorter text needs fewer positions, and the file does not tell which id ends one.
      contextLength: text?.tokenizer.contextLength,
      endToken: text?.tokenizer.endToken,
      where,
    });
    if (sha256 !== undefined && fingerprint !== sha256.toLowerCase()) {
      model.dispose();
      throw new InputError(`${file} is not the file the manifest asks for`, {
        hints: [`sha256 asked for: ${sha256}`, `sha256 found:     ${fingerprint}`],
        where,
      });
    }
    const outputs = Object.keys(offers).map((name, i) => [name, model.outputs[i].sourceLayer.name]);
    return await dualNetworkTeacher(
      {
        loaded: model,
        layers: { ...Object.fromEntries(outputs), ...taps } as Record<string, string>,
        file,
        resize: true,
        fingerprint,
        settings,
        format: 'CLIP',
      },
      context,
    );
  },
});
