import * as tf from '@tensorflow/tfjs';
import type { Random, Student } from '@retort/core';
import { countNetwork, inferShapes, inputShapes, ruleOf, type NetworkSpec } from './network-spec.js';

/**
 * Builds a network from its specification. Initial values are drawn on the host, layer by layer in the order of the
 * specification, so they depend on the stream alone and not on the backend.
 *
 * @param values of layers, by name, that are not drawn: what `readPublishedWeights` gave
 */
export function buildStudent(
  spec: NetworkSpec,
  name: string,
  random: Random,
  values?: ReadonlyMap<string, Float32Array[]>,
): Student {
  const shapes = inferShapes(spec);
  const inputs = Object.entries(inputShapes(spec)).map(([name, shape]): [string, tf.SymbolicTensor] => [
    name,
    tf.input({ shape, name, dtype: name === 'tokens' ? 'int32' : 'float32' }),
  ]);
  const tensors = new Map(inputs);
  for (const { name, from, config } of spec.layers) {
    const rule = ruleOf(config);
    const layer = rule.build(config, name);
    const given = from.map((source) => tensors.get(source)!);
    tensors.set(name, layer.apply(given.length === 1 ? given[0] : given) as tf.SymbolicTensor);
    const initial = values?.get(name) ?? rule.initialValues?.(config, shapes.get(from[0])!, random);
    if (initial) {
      tf.tidy(() => layer.setWeights(initial.map((data, i) => tf.tensor(data, layer.weights[i].shape as number[]))));
    }
  }
  const outputs = Object.entries(spec.outputs);
  return {
    model: tf.model({
      inputs: inputs.map(([, tensor]) => tensor),
      outputs: outputs.map(([, layer]) => tensors.get(layer)!),
      name,
    }),
    offers: Object.fromEntries(outputs.map(([output, layer]) => [output, shapes.get(layer)!])),
    ...(spec.blocks && { blocks: spec.blocks }),
    ...countNetwork(spec),
  };
}
