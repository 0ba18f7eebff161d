import { type HostTensor, InputError, type NetworkOutput, type Teacher, type TeacherContext } from '@retort/core';
import { checkImageInput } from '@retort/models';
import { compile, modelWithTaps, networkOutput, resizeFeatureMap, type TensorMap, toTensor } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { type DualEncoder, dualEncoderTeacher } from './dual-encoder-teacher.js';
import { shapesOf } from './output-shapes.js';
import type { Normalization } from './preprocessing.js';
import { checkTextInput } from './text-input.js';

interface DualNetworkOptions {
  /** With inputs `image` and `tokens`. Becomes the teacher's: disposed with it, and when {@link dualNetworkTeacher} throws. */
  loaded: tf.LayersModel;
  /** Layer names by output: imageEmbedding, textEmbedding, logitScale, and what else is made of images, or boxes. */
  layers: Record<string, string>;
  file: string;
  normalization?: Normalization;
  /** Images of another size than the network's are resized; otherwise they are refused. */
  resize?: boolean;
  fingerprint: string;
  /** What answers depend on beside all of these. */
  settings?: object;
  format: string;
}

/** Whether a network reads texts. */
export function readsTexts(model: tf.LayersModel): boolean {
  return model.inputNames.includes('tokens');
}

/** A LayersModel with inputs `image` and `tokens` as a teacher, on tfjs's current backend, always in evaluation mode. */
export async function dualNetworkTeacher(options: DualNetworkOptions, context: TeacherContext): Promise<Teacher> {
  let encoder: DualEncoder;
  try {
    encoder = networkEncoder(options, context);
  } catch (error) {
    options.loaded.dispose();
    throw error;
  }
  return await dualEncoderTeacher(encoder, context);
}

function networkEncoder(
  { loaded, layers, file, normalization, resize = false, fingerprint, settings, format }: DualNetworkOptions,
  context: TeacherContext,
): DualEncoder {
  const { imageShape, text, path: where } = context;
  const { logitScale, ...symbols } = namedOutputs(loaded, layers, file, where);
  const namesReading = (inputs: string) => Object.keys(symbols).filter((name) => inputsOf(symbols[name]) === inputs);
  const images = partOf(loaded, ['image'], pick(symbols, namesReading('image')));
  const texts = partOf(loaded, ['tokens'], pick(symbols, namesReading('tokens')));
  /** What is made of an image and its text, beside all that is made of either. */
  const pairs = namesReading('image and tokens').length > 0 ? partOf(loaded, ['image', 'tokens'], symbols) : undefined;

  const resolution = images.model.inputs[0].shape.slice(1).map((size, i) => size ?? imageShape[i]);
  checkImageInput(images.model, resize ? resolution : imageShape, { path: file, where });
  checkTextInput(texts.model, file, context);
  const prepared = (pixels: tf.Tensor) => {
    const image = resizeFeatureMap(pixels as tf.Tensor4D, resolution[0], resolution[1]);
    return normalization ? image.sub(normalization.mean).div(normalization.deviation) : image;
  };

  // For shapes and the logit scale; nothing else of it is read.
  const blank = (size: number[]) => tf.zeros([1, ...size]);
  const length = texts.model.inputs[0].shape[1] ?? text?.tokenizer.contextLength ?? 1;
  const { provides, dimensions, scale } = tf.tidy(() => {
    const inputs = { image: blank(resolution), tokens: blank([length]).cast('int32') };
    const { textEmbedding, ...others } = (pairs ?? images).apply(inputs);
    const provided = shapesOf(networkOutput(Object.keys(others), Object.values(others)), where);
    const embedding = textEmbedding ?? texts.apply(inputs).textEmbedding;
    const scalePart = partOf(loaded, inputsOf(logitScale).split(' and '), { logitScale });
    return {
      provides: provided,
      dimensions: shapesOf({ textEmbedding: embedding as tf.Tensor2D }, where).textEmbedding[0],
      scale: scalePart.apply(inputs).logitScale.dataSync()[0],
    };
  });

  // A teacher's weights never change, so none of them is listed: a backend that records makes them part of the graph.
  const compiled = (step: (inputs: TensorMap) => TensorMap) => {
    const run = compile(step, { variables: {} });
    return async (given: Record<string, HostTensor>): Promise<NetworkOutput> => {
      const inputs = Object.fromEntries(Object.entries(given).map(([name, tensor]) => [name, toTensor(tensor)]));
      const outputs = run(inputs);
      tf.dispose(inputs);
      return networkOutput(Object.keys(outputs), Object.values(outputs));
    };
  };
  const ofImages = compiled(({ image }) => images.apply({ image: prepared(image) }));
  const ofTexts = compiled(({ tokens }) => texts.apply({ tokens }));
  const ofPairs = pairs && compiled(({ image, tokens }) => pairs.apply({ image: prepared(image), tokens }));

  return {
    provides,
    image: (image) => ofImages({ image }),
    ...(text && {
      text: { dimensions, encode: async (tokens: HostTensor) => (await ofTexts({ tokens })).textEmbedding! },
    }),
    ...(ofPairs && { pair: (image: HostTensor, tokens: HostTensor) => ofPairs({ image, tokens }) }),
    logitScale: scale,
    fingerprint,
    settings: { layers, normalization, ...(resize && { resolution }), ...settings },
    summary: `${format}, ${(loaded.countParams() / 1e6).toFixed(2)} M weights`,
    dispose: () => {
      loaded.dispose();
    },
  };
}

/** The network's outputs by name. @throws InputError when one is missing, or is made of other inputs than it should */
function namedOutputs(
  loaded: tf.LayersModel,
  layers: Record<string, string>,
  file: string,
  where: string,
): Record<string, tf.SymbolicTensor> {
  const missing = ['imageEmbedding', 'textEmbedding', 'logitScale'].filter((name) => !(name in layers));
  if (missing.length > 0) {
    throw new InputError(`${file} reads images and texts; which layer is its ${missing.join(', its ')}?`, {
      hints: [
        `say so: taps: { ${missing.map((name) => `${name}: LAYER`).join(', ')} }`,
        `its outputs are the layers ${loaded.outputs.map(({ sourceLayer }) => sourceLayer.name).join(', ')}`,
      ],
      where,
    });
  }
  const { outputs } = modelWithTaps(loaded, layers, { where });
  const symbols = Object.fromEntries(Object.keys(layers).map((name, i) => [name, outputs[i]]));
  for (const [name, symbol] of Object.entries(symbols)) {
    const allowed =
      name === 'textEmbedding' ? ['tokens'] : name === 'boxes' ? ['image', 'image and tokens'] : ['image'];
    if (name !== 'logitScale' && !allowed.includes(inputsOf(symbol))) {
      throw new InputError(
        `${file}: "${name}", layer "${layers[name]}", is made of ${inputsOf(symbol) || 'no input'}, not of ${allowed[0]}`,
        { where },
      );
    }
  }
  return symbols;
}

/** The names of the inputs that a tensor is made of, sorted and joined by ` and `. */
function inputsOf(symbol: tf.SymbolicTensor): string {
  const found = new Set<string>();
  const seen = new Set<number>();
  const visit = ({ id, inputs, sourceLayer }: tf.SymbolicTensor) => {
    if (seen.has(id)) return;
    seen.add(id);
    if (inputs.length === 0) found.add(sourceLayer.name);
    inputs.forEach(visit);
  };
  visit(symbol);
  return [...found].sort().join(' and ');
}

/** A part of a network, from some of its inputs to some of its outputs. Layers are shared. */
function partOf(loaded: tf.LayersModel, inputs: string[], symbols: Record<string, tf.SymbolicTensor>) {
  const names = Object.keys(symbols);
  const model = tf.model({
    inputs: inputs.map((name) => loaded.inputs[loaded.inputNames.indexOf(name)]),
    outputs: Object.values(symbols),
  });
  return {
    model,
    apply(tensors: TensorMap): TensorMap {
      const given = inputs.map((name) => tensors[name]);
      const outputs = [model.apply(given, { training: false }) as tf.Tensor | tf.Tensor[]].flat();
      return Object.fromEntries(names.map((name, i) => [name, outputs[i]]));
    },
  };
}

function pick<T>(record: Record<string, T>, names: readonly string[]): Record<string, T> {
  return Object.fromEntries(names.map((name) => [name, record[name]]));
}
