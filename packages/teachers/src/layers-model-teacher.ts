import { resolve } from 'node:path';
import { definePart, InputError, z } from '@retort/core';
import { registerLayers } from '@retort/models';
import { loadLayersModel } from '@retort/nn';
import { readsTexts } from './dual-network-teacher.js';
import { networkTeacher } from './network-teacher.js';
import { normalizationOf, preprocessingOption } from './preprocessing.js';
import { readsStates, stateTeacher } from './state-teacher.js';

/** A tfjs LayersModel on disk, run in this process. */
export const layersModelTeacher = definePart('teacher', {
  name: 'layers-model',
  summary: 'tfjs LayersModel (model.json), its outputs tapped by layer name',
  options: z.strictObject({
    path: z.string().describe('model.json, with its weight files beside it.'),
    sha256: z.string().optional().describe('Digest the files must have: cat model.json weights.bin | sha256sum'),
    preprocessing: preprocessingOption,
    taps: z
      .record(z.string(), z.string())
      .default({})
      .describe(
        'Layer names by output: logits (by default the layer of the first output), embedding, featureMap, or any name; ' +
          'of a network that acts also value, advantages, or mean (of a box, by default the first output); of a network that reads texts: imageEmbedding, textEmbedding, logitScale.',
      ),
    classes: z
      .array(z.string())
      .optional()
      .describe("The teacher's own class names in the order of its logits; without them only their number is checked."),
  }),
  create: async ({ path, sha256, preprocessing, taps, classes }, context) => {
    const file = resolve(context.baseFolder, path);
    registerLayers();
    const { model: loaded, fingerprint } = await loadLayersModel(file, { sha256, where: context.path });
    if (context.environment || readsStates(loaded)) {
      if (preprocessing !== 'none') {
        loaded.dispose();
        throw new InputError(`teacher "${context.id}" reads states, which are given as they are`, {
          hints: ['preprocessing: none'],
          where: context.path,
        });
      }
      const first = context.environment?.actionSpace.kind === 'box' ? 'mean' : 'logits';
      const layers = { [first]: loaded.outputs[0].sourceLayer.name, ...taps };
      return stateTeacher({ loaded, layers, file, fingerprint, format: 'LayersModel' }, context);
    }
    return networkTeacher(
      {
        loaded,
        layers: readsTexts(loaded) ? taps : { logits: loaded.outputs[0].sourceLayer.name, ...taps },
        file,
        normalization: normalizationOf(preprocessing),
        classes,
        fingerprint,
        format: 'LayersModel',
      },
      context,
    );
  },
});
