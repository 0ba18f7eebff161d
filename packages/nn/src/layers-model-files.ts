import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { InputError, messageOf, nearestHint, readInputFile, RunError, sha256, writeWhole, z } from '@retort/core';
import { registerGroupedConv2dLayer } from './grouped-conv2d-layer.js';

/** What {@link loadLayersModel} found. */
export interface LoadedLayersModel {
  model: tf.LayersModel;
  /** sha256 over model.json followed by its weight files in order: `cat model.json weights.bin | sha256sum`. */
  fingerprint: string;
  /** `userDefinedMetadata` of model.json; empty when there is none. */
  metadata: Record<string, unknown>;
}

const modelJson = z.looseObject({
  format: z.string().optional(),
  modelTopology: z.looseObject({}),
  userDefinedMetadata: z.record(z.string(), z.unknown()).optional(),
  weightsManifest: z.array(
    z.object({
      paths: z.array(z.string()),
      weights: z.array(
        z.looseObject({
          name: z.string(),
          shape: z.array(z.number()),
          dtype: z.string(),
          quantization: z.looseObject({ dtype: z.string() }).optional(),
        }),
      ),
    }),
  ),
});

const bytesPerValue: Record<string, number> = { float32: 4, int32: 4, uint16: 2, float16: 2, uint8: 1, bool: 1 };

/**
 * Reads a LayersModel from disk, which plain tfjs cannot do in Node: model.json in the layers-model format, with the weight
 * files it names beside it.
 *
 * @param path of model.json
 * @param expected fingerprint the files must have, see {@link LoadedLayersModel.fingerprint}
 * @throws InputError when a file is missing, cut off or another one, or holds no LayersModel
 */
export async function loadLayersModel(
  path: string,
  { sha256: expected, where }: { sha256?: string; where?: string } = {},
): Promise<LoadedLayersModel> {
  registerGroupedConv2dLayer();
  const text = await readInputFile(path, { where });
  const { modelTopology, weightsManifest, userDefinedMetadata } = parse(path, text, where);
  const shards: Buffer[] = [];
  for (const { paths, weights } of weightsManifest) {
    const files = paths.map((name) => join(dirname(path), name));
    const group = await Promise.all(files.map((file) => readInputFile(file, { where })));
    const found = group.reduce((sum, bytes) => sum + bytes.length, 0);
    const asked = weights.reduce((sum, { shape, dtype, quantization }) => {
      return sum + shape.reduce((a, b) => a * b, bytesPerValue[quantization?.dtype ?? dtype] ?? NaN);
    }, 0);
    if (found !== asked) {
      throw new InputError(`${files.join(', ')}: ${found} bytes found, ${asked} expected by ${path}`, {
        hints: ['the copy was cut off, or the files belong to different models: fetch them again'],
        where,
      });
    }
    shards.push(...group);
  }
  const fingerprint = sha256(Buffer.concat([text, ...shards]));
  if (expected !== undefined && fingerprint !== expected.toLowerCase()) {
    throw new InputError(`${path} and its weights are not the files the manifest asks for`, {
      hints: [
        `sha256 asked for: ${expected}`,
        `sha256 found:     ${fingerprint} (of model.json and its weight files, joined)`,
      ],
      where,
    });
  }
  const artifacts: tf.io.ModelArtifacts = {
    modelTopology,
    weightSpecs: weightsManifest.flatMap(({ weights }) => weights) as tf.io.WeightsManifestEntry[],
    weightData: new Uint8Array(Buffer.concat(shards)).buffer,
  };
  try {
    const model = await tf.loadLayersModel({ load: async () => artifacts });
    return { model, fingerprint, metadata: userDefinedMetadata ?? {} };
  } catch (error) {
    throw new InputError(`${path} holds no model that tfjs can build: ${messageOf(error)}`, { where, cause: error });
  }
}

function parse(path: string, text: Buffer, where: string | undefined): z.output<typeof modelJson> {
  let json: unknown;
  try {
    json = JSON.parse(text.toString('utf8'));
  } catch (error) {
    throw new InputError(`${path} is not whole JSON: ${messageOf(error)}`, {
      hints: [`it has ${text.length} bytes; the copy was cut off or it is another file`],
      where,
      cause: error,
    });
  }
  if ((json as { format?: unknown } | null)?.format === 'graph-model') {
    throw new InputError(`${path} holds a GraphModel, not a LayersModel`, {
      hints: ['convert with --output_format=tfjs_layers_model, or export it to ONNX'],
      where,
    });
  }
  const result = modelJson.safeParse(json);
  if (!result.success) {
    const [issue] = result.error.issues;
    throw new InputError(`${path} is not a tfjs layers-model: ${issue.path.join('.')}: ${issue.message}`, { where });
  }
  return result.data;
}

/**
 * Writes model.json and weights.bin as `tf.loadLayersModel` reads them in a browser, the optimizer left out.
 * Each file is replaced whole or not at all, the weights first.
 *
 * @param metadata goes into `userDefinedMetadata`: class names, normalization, what made it
 * @throws RunError when the disk refuses
 */
export async function saveLayersModel(
  model: tf.LayersModel,
  folder: string,
  { metadata = {} }: { metadata?: Record<string, unknown> } = {},
): Promise<void> {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw new RunError(`cannot make folder ${folder}: ${messageOf(error)}`, { cause: error });
  }
  await model.save(
    tf.io.withSaveHandler(async ({ modelTopology, weightSpecs, weightData }) => {
      writeWhole(join(folder, 'weights.bin'), new Uint8Array(tf.io.CompositeArrayBuffer.join(weightData)));
      const json = {
        format: 'layers-model',
        generatedBy: `TensorFlow.js tfjs-layers v${tf.version_layers}`,
        convertedBy: null,
        modelTopology,
        weightsManifest: [{ paths: ['weights.bin'], weights: weightSpecs }],
        userDefinedMetadata: metadata,
      };
      writeWhole(join(folder, 'model.json'), `${JSON.stringify(json)}\n`);
      return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' as const } };
    }),
  );
}

/**
 * The same network with the outputs of named layers, in the order of `taps`. It shares its layers with `model`: dispose
 * `model`, not both.
 *
 * @param taps layer names by output name
 * @throws InputError naming the nearest layers when there is none of that name
 */
export function modelWithTaps(
  model: tf.LayersModel,
  taps: Record<string, string>,
  { where }: { where?: string } = {},
): tf.LayersModel {
  const names = model.layers.map(({ name }) => name);
  const outputs = Object.entries(taps).map(([tap, layer]) => {
    if (!names.includes(layer)) {
      throw new InputError(`tap "${tap}": no layer is called "${layer}"`, {
        hints: [nearestHint(layer, names)],
        where,
      });
    }
    return model.getLayer(layer).getOutputAt(0) as tf.SymbolicTensor;
  });
  return tf.model({ inputs: model.inputs, outputs, name: `${model.name}_taps` });
}
