import { resolve } from 'node:path';
import type * as tf from '@tensorflow/tfjs';
import { definePart, InputError, type EnvironmentSpaces, type Student, z } from '@retort/core';
import { loadLayersModel, modelWithTaps, namedWeights } from '@retort/nn';
import { checkImageInput } from './image-input.js';
import { registerLayers } from './layers/register-layers.js';
import { traitsOf } from './traits.js';

const forms = {
  logits: ['[C]', 1],
  mean: ['[n]', 1],
  value: ['[1]', 1],
  advantages: ['[n]', 1],
  memory: ['[M]', 1],
  embedding: ['[D]', 1],
  featureMap: ['[H, W, K]', 3],
} as const;

type Taps = Partial<Record<keyof typeof forms, string>>;

/** Any LayersModel on disk, trained on from the weights it has. */
export const layersModelStudent = definePart('student', {
  name: 'layers-model',
  summary: 'any tfjs LayersModel on disk, its outputs tapped by layer name',
  options: z.strictObject({
    path: z
      .string()
      .describe(
        'model.json, with its weight files beside it. It is given pixels in [0, 1], or what an environment shows.',
      ),
    sha256: z.string().optional().describe('Digest the files must have: cat model.json weights.bin | sha256sum'),
    taps: z
      .strictObject({
        logits: z
          .string()
          .optional()
          .describe('Layer of the logits; on a data set by default the layer of the first output.'),
        embedding: z.string().optional().describe('Layer of the pooled embedding [D]; a data set needs it.'),
        featureMap: z.string().optional().describe('Layer of the feature map [H, W, K]; a data set needs it.'),
        mean: z.string().optional().describe('In an environment: layer of the mean action [n] in a box.'),
        value: z.string().optional().describe('In an environment: layer of the value [1].'),
        advantages: z.string().optional().describe('In an environment: layer of the advantages [n].'),
        memory: z.string().optional().describe('In an environment: layer of the next memory [M].'),
      })
      .optional()
      .describe('Layer names by output. In an environment by default the outputs that a run saved it with.'),
    blocks: z
      .array(z.string())
      .min(1)
      .optional()
      .describe('Layers that end its stages or blocks, from first to last, for methods that tap the inside.'),
  }),
  create: async (
    { path, sha256, taps: given = {}, blocks },
    { classes, imageShape, environment, seeds, baseFolder, path: where },
  ): Promise<Student> => {
    registerLayers();
    const { model: loaded, metadata } = await loadLayersModel(resolve(baseFolder, path), { sha256, where });
    try {
      const taps = environment
        ? actingTaps(loaded, given, metadata, { environment, path, where })
        : imageTaps(loaded, given, where);
      const model = modelWithTaps(loaded, taps as Record<string, string>, { where });
      // Only to see that they are there.
      if (blocks) modelWithTaps(loaded, Object.fromEntries(blocks.map((name) => [name, name])), { where });
      if (!environment) checkImageInput(loaded, imageShape, { path, where });
      const offers: Record<string, number[]> = {};
      for (const [i, output] of (Object.keys(taps) as (keyof Taps)[]).entries()) {
        const [form, rank] = forms[output];
        const shape = model.outputs[i].shape.slice(1) as number[];
        if (shape.length !== rank || shape.includes(null as never)) {
          throw new InputError(`tap "${output}" gives [${shape.join(', ')}], not ${form}`, { where });
        }
        offers[output] = shape;
      }
      if (environment) checkActing(loaded, offers, { environment, path, where });
      else if (offers.logits[0] !== classes.length) {
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

/** Taps on a data set. @throws InputError when one is missing, or is of environments */
function imageTaps(model: tf.LayersModel, given: Taps, where: string): Taps {
  const { logits = model.outputs[0].sourceLayer.name, embedding, featureMap, ...others } = given;
  if (embedding === undefined || featureMap === undefined) {
    throw new InputError(`taps.${embedding === undefined ? 'embedding' : 'featureMap'} is missing: a layer's name`, {
      hints: [`its layers: ${model.layers.map(({ name }) => name).join(', ')}`],
      where,
    });
  }
  const [other] = Object.keys(others);
  if (other !== undefined) throw new InputError(`tap "${other}" is of networks that act in environments`, { where });
  return { logits, embedding, featureMap };
}

interface Acting {
  environment: EnvironmentSpaces;
  path: string;
  where: string;
}

/** Taps in an environment: those given, else the outputs that the file says it was saved with, else its only output. */
function actingTaps(
  model: tf.LayersModel,
  given: Taps,
  { outputs }: Record<string, unknown>,
  { environment: { actionSpace }, path, where }: Acting,
): Taps {
  if (Object.keys(given).length > 0) return given;
  const layers = model.outputs.map(({ sourceLayer }) => sourceLayer.name);
  const names = Array.isArray(outputs) ? outputs : layers.length === 1 ? [actionOutput(actionSpace)] : [];
  if (names.length !== layers.length) {
    throw new InputError(`${path} does not say what its ${layers.length} outputs are`, {
      hints: [`name their layers by taps: { ${actionOutput(actionSpace)}: ${layers[0]} … }`],
      where,
    });
  }
  return Object.fromEntries(names.map((name, i) => [name, layers[i]]).filter(([name]) => name in forms));
}

/** Refuses a network that does not read what an environment shows, or does not say what to do there. */
function checkActing(
  { inputNames, inputs }: tf.LayersModel,
  offers: Record<string, number[]>,
  { environment: { observationSpace, actionSpace }, path, where }: Acting,
): void {
  const shapes = Object.fromEntries(inputNames.map((name, i) => [name, inputs[i].shape.slice(1)]));
  const { state, memory, ...others } = shapes;
  const text = (shape: readonly (number | null)[]) => `[${shape.map((size) => size ?? 'any').join(', ')}]`;
  if (!state || Object.keys(others).length > 0) {
    throw new InputError(`${path} reads ${inputNames.join(' and ')}; networks that act read state, and some memory`, {
      where,
    });
  }
  const { shape } = observationSpace;
  if (state.length !== shape.length || state.some((size, i) => size !== null && size !== shape[i])) {
    throw new InputError(`${path} reads states of ${text(state)}, the environment shows ${text(shape)}`, { where });
  }
  const output = actionOutput(actionSpace);
  const actions = actionSpace.kind === 'box' ? actionSpace.low.length : actionSpace.size;
  if (offers[output]?.[0] !== actions) {
    const has = offers[output] ? text(offers[output]) : `none, but ${Object.keys(offers).join(', ')}`;
    throw new InputError(`the environment needs ${output} [${actions}] of ${path}, which gives ${has}`, { where });
  }
  if (memory?.join() !== offers.memory?.join()) {
    const [reads, gives] = [memory, offers.memory].map((each) => (each ? text(each) : 'none'));
    throw new InputError(`${path} reads a memory of ${reads} and gives one of ${gives}`, { where });
  }
}

/** The output that says what to do. */
function actionOutput({ kind }: EnvironmentSpaces['actionSpace']): 'logits' | 'mean' {
  return kind === 'box' ? 'mean' : 'logits';
}
