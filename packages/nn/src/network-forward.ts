import * as tf from '@tensorflow/tfjs';
import type { NetworkOutput, Student } from '@retort/core';

const fields = [
  'logits',
  'embedding',
  'featureMap',
  'tokens',
  'imageEmbedding',
  'textEmbedding',
  'logitScale',
  'boxes',
];

/**
 * Runs a network on a batch. Nothing is read back; the caller owns the tensors.
 *
 * @param network a LayersModel with one output per name in `offers`, in that order
 * @param image [B, H, W, 3], pixels in [0, 1] when the network normalizes for itself
 * @param training true: batch norm uses the batch's statistics and moves its averages
 */
export function forward(
  { model, offers }: Pick<Student, 'model' | 'offers'>,
  image: tf.Tensor,
  { training }: { training: boolean },
): NetworkOutput {
  const names = Object.keys(offers);
  const outputs = tf.tidy(() => {
    const result = model.apply(image, { training }) as tf.Tensor | tf.Tensor[];
    return Array.isArray(result) ? result : [result];
  });
  const pairs = names.map((name, i): [string, tf.Tensor] => [name, outputs[i]]);
  const output: NetworkOutput = Object.fromEntries(pairs.filter(([name]) => fields.includes(name)));
  const taps = pairs.filter(([name]) => !fields.includes(name));
  if (taps.length > 0) output.taps = Object.fromEntries(taps);
  return output;
}
