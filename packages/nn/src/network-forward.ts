import * as tf from '@tensorflow/tfjs';
import type { NetworkOutput, Student } from '@retort/core';

const fields = [
  'logits',
  'embedding',
  'featureMap',
  'tokens',
  'tokenLogits',
  'imageEmbedding',
  'textEmbedding',
  'logitScale',
  'boxes',
  'mean',
  'value',
  'advantages',
  'memory',
];

/** What networks read: a batch's tensors are such. */
export interface NetworkInputs {
  image?: tf.Tensor;
  tokens?: tf.Tensor;
  /** [B, …shape]. */
  state?: tf.Tensor;
  /** [B, M]. */
  memory?: tf.Tensor;
}

/**
 * Runs a network on a batch. Nothing is read back; the caller owns the tensors.
 *
 * @param network a LayersModel with one output per name in `offers`, in that order
 * @param inputs image [B, H, W, 3], pixels in [0, 1] when the network normalizes for itself; tokens [T, N] where it reads texts;
 *   state [B, …shape] and where it remembers memory [B, M] of one that acts. An input of another name is the image, or the state
 *   where there is none: networks for images act on grids
 * @param training true: batch norm uses the batch's statistics and moves its averages, and layers that draw use their noise
 * @param noise what `Student.noise` gave for this batch, by layer name; every layer finds it in the second argument of its `call`
 */
export function forward(
  { model, offers }: Pick<Student, 'model' | 'offers'>,
  inputs: NetworkInputs,
  { training, noise }: { training: boolean; noise?: Record<string, tf.Tensor> },
): NetworkOutput {
  const outputs = tf.tidy(() => {
    const given = model.inputNames.map(
      (name) => (inputs[name as keyof NetworkInputs] ?? inputs.image ?? inputs.state)!,
    );
    const result = model.apply(given, { training, noise }) as tf.Tensor | tf.Tensor[];
    return Array.isArray(result) ? result : [result];
  });
  return networkOutput(Object.keys(offers), outputs);
}

/**
 * The part of a network that leads from one of its inputs to some of its outputs, such as one of the two encoders. Layers are
 * shared; the whole network disposes them.
 */
export function subNetwork(
  { model, offers }: Pick<Student, 'model' | 'offers'>,
  input: 'image' | 'tokens',
  outputs: readonly string[],
): Pick<Student, 'model' | 'offers'> {
  const names = Object.keys(offers);
  return {
    model: tf.model({
      inputs: model.inputs[model.inputNames.indexOf(input)],
      outputs: outputs.map((name) => model.outputs[names.indexOf(name)]),
    }),
    offers: Object.fromEntries(outputs.map((name) => [name, offers[name]])),
  };
}

/** Tensors by name: those that NetworkOutput knows as its fields, the others as taps. */
export function networkOutput(names: readonly string[], tensors: readonly tf.Tensor[]): NetworkOutput {
  const pairs = names.map((name, i): [string, tf.Tensor] => [name, tensors[i]]);
  const output: NetworkOutput = Object.fromEntries(pairs.filter(([name]) => fields.includes(name)));
  const taps = pairs.filter(([name]) => !fields.includes(name));
  if (taps.length > 0) output.taps = Object.fromEntries(taps);
  return output;
}
