import type * as tf from '@tensorflow/tfjs';
import { InputError } from '@retort/core';

/**
 * Refuses a network that does not take one image of the data set's shape.
 *
 * @param imageShape [H, W, 3]
 * @param path of the model, for the error
 */
export function checkImageInput(
  model: tf.LayersModel,
  imageShape: readonly number[],
  { path, where }: { path: string; where?: string },
): void {
  const shapes = model.inputs.map(({ shape }) => shape.slice(1));
  const fits =
    shapes.length === 1 &&
    shapes[0].length === imageShape.length &&
    shapes[0].every((size, i) => size === null || size === imageShape[i]);
  if (!fits) {
    const asked = shapes.map((shape) => shape.map((size) => size ?? 'any').join(' x ')).join(' and ');
    throw new InputError(`${path} takes ${asked}, the data set's images are ${imageShape.join(' x ')}`, { where });
  }
}
