import { outputNamed, type Student } from '@retort/core';
import type * as tf from '@tensorflow/tfjs';
import { compile, type TensorMap } from './compile.js';
import { namedWeights } from './named-weights.js';
import { forward, type NetworkInputs } from './network-forward.js';

/** By network and the outputs wanted: every epoch evaluates the same student. */
const passes = new WeakMap<tf.LayersModel, Map<string, (inputs: TensorMap) => TensorMap>>();

/**
 * A network's forward pass in evaluation mode, which a backend that records keeps from one evaluation to the next.
 *
 * @param wanted outputs by name
 */
export function evaluationPass(
  { model, offers }: Pick<Student, 'model' | 'offers'>,
  wanted: readonly string[],
): (inputs: NetworkInputs) => TensorMap {
  const known = passes.get(model) ?? new Map<string, (inputs: TensorMap) => TensorMap>();
  passes.set(model, known);
  const key = wanted.join();
  let pass = known.get(key);
  if (!pass) {
    const { trainable, frozen } = namedWeights(model);
    const variables = Object.fromEntries([
      ...Object.entries(trainable).map(([name, variable]) => [`trainable/${name}`, variable]),
      ...Object.entries(frozen).map(([name, variable]) => [`frozen/${name}`, variable]),
    ]) as Record<string, tf.Variable>;
    pass = compile(
      (inputs) => {
        const output = forward({ model, offers }, inputs, { training: false });
        return Object.fromEntries(wanted.map((name) => [name, outputNamed(output, name)!]));
      },
      { variables },
    );
    known.set(key, pass);
  }
  const run = pass;
  return ({ image, tokens }) => run({ ...(image && { image }), ...(tokens && { tokens }) });
}
