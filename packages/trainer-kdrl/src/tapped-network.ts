import type { Student } from '@retort/core';
import * as tf from '@tensorflow/tfjs';

type Network = Pick<Student, 'model' | 'offers'>;

/** A student with further layers among its outputs. */
export function tappedNetwork({ model, offers }: Network, layers: readonly string[]): Network {
  const further = layers.filter((name) => !(name in offers));
  if (further.length === 0) return { model, offers };
  const outputs = further.map((name) => model.getLayer(name).getOutputAt(0) as tf.SymbolicTensor);
  return {
    model: tf.model({ inputs: model.inputs, outputs: [...model.outputs, ...outputs], name: `${model.name}_tapped` }),
    offers: {
      ...offers,
      ...Object.fromEntries(further.map((name, i) => [name, outputs[i].shape.slice(1) as number[]])),
    },
  };
}

/** A student without some of its outputs, and without what leads to them alone. */
export function withoutOutputs({ model, offers }: Network, names: readonly string[]): Network {
  if (!names.some((name) => name in offers)) return { model, offers };
  const kept = Object.entries(offers).filter(([name]) => !names.includes(name));
  const at = Object.keys(offers);
  return {
    model: tf.model({ inputs: model.inputs, outputs: kept.map(([name]) => model.outputs[at.indexOf(name)]) }),
    offers: Object.fromEntries(kept),
  };
}
