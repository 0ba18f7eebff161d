import { InputError, type Student } from '@retort/core';
import * as tf from '@tensorflow/tfjs';

/** Of the layer, a frozen BatchNormalization whose scale and shift stay 1 and 0, that holds the running moments of observations. */
const layerName = 'normalize';

/**
 * Puts running moments of observations into a network that acts: its layer `normalize` then gives
 * (observation − mean) / √(variance + ε). Nothing else in the network changes, and nothing is left behind.
 *
 * @param mean [S] of each element of an observation
 * @param variance [S] not negative
 * @returns false when the network has no such layer, and is as it was
 * @throws InputError when the layer is of another length
 */
export function setObservationMoments(
  { model }: Pick<Student, 'model'>,
  { mean, variance }: { mean: Float32Array; variance: Float32Array },
): boolean {
  const layer = model.layers.find((each) => each.name === layerName && each.getClassName() === 'BatchNormalization');
  if (!layer) return false;
  const values: Record<string, Float32Array> = { moving_mean: mean, moving_variance: variance };
  for (const weight of layer.weights) {
    const name = weight.originalName.split('/').at(-1)!;
    const value = values[name];
    if (!value) continue;
    if (value.length !== weight.shape[0]) {
      throw new InputError(
        `${value.length} moments of observations for the network's layer "${layerName}", which has ${weight.shape[0]}`,
      );
    }
    tf.tidy(() => (weight.read() as tf.Variable).assign(tf.tensor1d(value)));
  }
  return true;
}
