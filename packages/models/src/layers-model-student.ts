import { resolve } from 'node:path';
import { definePart, InputError, z, type Student } from '@retort/core';
import { loadLayersModel, modelWithTaps, namedWeights } from '@retort/nn';
import { checkImageInput } from './image-input.js';
import { registerLayers } from './layers/register-layers.js';
import { traitsOf } from './traits.js';

const ranks = { logits: ['[C]', 1], embedding: ['[D]', 1], featureMap: ['[H, W, K]', 3] } as const;

/** Any LayersModel on disk, trained on from the weights it has. */
export const layersModelStudent = definePart('student', {
  name: 'layers-model',
  summary: 'any tfjs LayersModel on disk, its outputs tapped by layer name',
  options: z.strictObject({
    path: z.string().describe('model.json, with its weight files beside it. It is given pixels in [0, 1].'),
    sha256: z.string().optional().describe('Digest the files must have: cat model.json weights.bin | sha256sum'),
    taps: z
      .strictObject({
        logits: z.string().optional().describe('Layer of the logits; by default the layer of the first output.'),
        embedding: z.string().describe('Layer of the pooled embedding [D].'),
        featureMap: z.string().describe('Layer of the feature map [H, W, K].'),
      })
      .describe('Layer names by output.'),
    blocks: z
      .array(z.string())
      .min(1)
      .optional()
      .describe('Layers that end its stages or blocks, from first to last, for methods that tap the inside.'),
  }),
  create: async (
    { path, sha256, taps, blocks },
    { classes, imageShape, seeds, baseFolder, path: where },
  ): Promise<Student> => {
    registerLayers();
    const { model: loaded } = await loadLayersModel(resolve(baseFolder, path), { sha256, where });
    try {
      const logits = taps.logits ?? loaded.outputs[0].sourceLayer.name;
      const model = modelWithTaps(
        loaded,
        { logits, embedding: taps.embedding, featureMap: taps.featureMap },
        { where },
      );
      // Only to see that they are there.
      if (blocks) modelWithTaps(loaded, Object.fromEntries(blocks.map((name) => [name, name])), { where });
      checkImageInput(loaded, imageShape, { path, where });
      const offers = Object.fromEntries(
        Object.entries(ranks).map(([output, [form, rank]], i) => {
          const shape = model.outputs[i].shape.slice(1) as number[];
          if (shape.length !== rank || shape.includes(null as never)) {
            throw new InputError(`tap "${output}" gives [${shape.join(', ')}], not ${form}`, { where });
          }
          return [output, shape];
        }),
      );
      if (offers.logits[0] !== classes.length) {
        throw new InputError(`${path} has ${offers.logits[0]} logits, the data set ${classes.length} classes`, {
          where,
        });
      }
      const weights = Object.values(namedWeights(model).trainable);
      const parameters = weights.reduce((sum, { size }) => sum + size, 0);
      return { model, offers, ...(blocks && { blocks }), parameters, ...traitsOf(model, seeds) };
    } catch (error) {
      loaded.dispose();
      throw error;
    }
  },
});
