import type * as tf from '@tensorflow/tfjs';
import { InputError } from '@retort/core';

/** A network's variables by `layer/weight`, in the order of its layers. */
export interface NamedWeights {
  /** What gradients move. */
  trainable: Record<string, tf.Variable>;
  /** Moving averages, and all weights of layers with `trainable: false`. */
  frozen: Record<string, tf.Variable>;
}

/**
 * The variables themselves, not copies: assigning to them changes the network.
 * Keys come from layer names and the weights' own short names (`stem/kernel`), never from tfjs's process-wide counters,
 * which call the second model's kernel `stem/kernel_1`. A weight inside a nested model is `model/layer/weight`.
 *
 * @throws InputError when two weights would share a key
 */
export function namedWeights(model: tf.LayersModel): NamedWeights {
  const weights: NamedWeights = { trainable: {}, frozen: {} };
  collect(model.layers, '', model.trainable, weights);
  return weights;
}

function collect(layers: tf.layers.Layer[], prefix: string, trainable: boolean, into: NamedWeights): void {
  for (const layer of layers) {
    const inner = (layer as Partial<tf.LayersModel>).layers;
    if (inner) {
      collect(inner, `${prefix}${layer.name}/`, trainable && layer.trainable, into);
      continue;
    }
    for (const weight of layer.weights) {
      const key = `${prefix}${layer.name}/${weight.originalName.split('/').at(-1)}`;
      if (key in into.trainable || key in into.frozen) {
        throw new InputError(`two weights are called "${key}"; give every layer a name of its own`);
      }
      // A frozen layer's variables still say that they are trainable.
      const group = trainable && layer.trainable && weight.trainable ? into.trainable : into.frozen;
      group[key] = weight.read() as tf.Variable;
    }
  }
}
