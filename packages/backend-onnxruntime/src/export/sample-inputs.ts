import * as tf from '@tensorflow/tfjs';
import { Random } from '@retort/core';
import { readersOf } from './preprocessing.js';

/**
 * Random inputs of the kind a network takes: pixels in [0, 1] for images, indices for embeddings, normal numbers for the rest.
 *
 * @param shapes of each input without the batch axis
 * @param pixels `uint8` for pixels that are bytes divided by 255
 */
export function sampleInputs(
  model: tf.LayersModel,
  shapes: readonly (readonly number[])[],
  batch: number,
  pixels: 'float32' | 'uint8',
  seed = 0,
): tf.Tensor[] {
  return model.inputs.map((input, i) => {
    const random = new Random([seed, i], [batch, 0]);
    const shape = [batch, ...shapes[i]];
    const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
    const embedding = readersOf(model, input).find((layer) => layer.getClassName() === 'Embedding');
    if (embedding) {
      const { inputDim } = embedding.getConfig() as { inputDim: number };
      for (let k = 0; k < values.length; k++) values[k] = random.integer(inputDim);
    } else if (input.dtype !== 'float32') {
      for (let k = 0; k < values.length; k++) values[k] = random.integer(2);
    } else {
      random.fill(values, shape.length === 4 ? 'uniform' : 'normal');
      if (shape.length === 4 && pixels === 'uint8')
        for (let k = 0; k < values.length; k++) values[k] = Math.floor(values[k] * 256) / 255;
    }
    return tf.tensor(values, shape, input.dtype as 'float32');
  });
}
