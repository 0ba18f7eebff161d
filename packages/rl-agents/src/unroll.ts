import type { NetworkOutput } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import type { PolicyNetwork, PolicyOutput } from './policy-network.js';

/**
 * What a network that remembers says of S sequences of L steps, so that gradients flow back through time. Memory starts anew
 * after a step that ended its episode, as it does while acting.
 *
 * @param rows state [L · S, …] and ended [L · S], step by step; memory [S, M], before the first step
 * @returns rows in the same order
 */
export function unroll(
  network: Pick<PolicyNetwork, 'apply'>,
  rows: { state: tf.Tensor2D; ended: tf.Tensor1D; memory: tf.Tensor2D },
): PolicyOutput {
  const [sequences] = rows.memory.shape;
  const length = rows.state.shape[0] / sequences;
  const states = tf.split<tf.Tensor2D>(rows.state, length);
  const goesOn = tf.split<tf.Tensor2D>(tf.sub<tf.Tensor1D>(1, rows.ended).expandDims(1), length);
  let { memory } = rows;
  const outputs = states.map((state, t) => {
    const output = network.apply(state, memory);
    if (t < length - 1) memory = output.network!.memory!.mul<tf.Tensor2D>(goesOn[t]);
    return output;
  });
  const joined = <T extends tf.Tensor>(of: (output: PolicyOutput) => T): T => tf.concat(outputs.map(of));
  const { heads, network: said = {} } = outputs[0];
  const fields = Object.keys(said).filter((name) => name !== 'taps') as Exclude<keyof NetworkOutput, 'taps'>[];
  return {
    heads: Object.fromEntries(Object.keys(heads).map((head) => [head, joined(({ heads }) => heads[head])])),
    network: {
      ...Object.fromEntries(fields.map((name) => [name, joined(({ network }) => network![name]!)])),
      ...(said.taps && {
        taps: Object.fromEntries(
          Object.keys(said.taps).map((tap) => [tap, joined(({ network }) => network!.taps![tap])]),
        ),
      }),
    },
  };
}
