import { definePart, z, type EnvironmentSpaces } from '@retort/core';
import { actingHeads, actingOptions, environmentOf, hiddenLayers, stateVector } from './acting.js';
import { buildStudent } from './build-student.js';
import type { LayerSpec, NetworkSpec } from './network-spec.js';

const options = z.strictObject({
  hidden: z
    .array(z.number().int().positive())
    .min(1)
    .default([64])
    .describe('Units of the dense layers that the cell reads.'),
  units: z.number().int().positive().default(64).describe('Of the cell; the memory is twice as long.'),
  activation: actingOptions.activation.default('tanh'),
  normalize: actingOptions.normalize,
  value: z.enum(['shared', 'none']).default('shared').describe('The value reads the cell, or is left out.'),
});

/** Dense layers and one step of an LSTM, from a state and a memory to actions, a value and the next memory. */
export const policyLstm = definePart('student', {
  name: 'policy-lstm',
  summary: 'an LSTM that acts in an environment and remembers, with a value',
  options,
  create: (settings, context) => {
    const environment = environmentOf(context, 'policy-lstm');
    const spec = policyLstmSpec({ ...settings, environment, where: context.path });
    return buildStudent(spec, 'policy_lstm', context.seeds.stream('init'));
  },
});

/**
 * Outputs: logits [n] of discrete actions, or mean [n] of a box; value [1] unless `none`; memory [2 · units], h then c; embedding
 * [units], which is h.
 */
export function policyLstmSpec({
  hidden,
  units,
  activation,
  normalize,
  value,
  environment: { observationSpace, actionSpace },
  where,
}: z.output<typeof options> & { environment: EnvironmentSpaces; where: string }): NetworkSpec {
  const input = stateVector(observationSpace.shape, normalize);
  const encoder = hiddenLayers('hidden', input.end, hidden, activation);
  const heads = actingHeads(actionSpace, {
    policy: 'lstm_h',
    value: value === 'none' ? undefined : 'lstm_h',
    dueling: false,
    where,
  });
  return {
    stateShape: observationSpace.shape,
    memorySize: 2 * units,
    layers: [...input.layers, ...encoder.layers, ...lstmStep(encoder.end, units), ...heads.layers],
    outputs: { ...heads.outputs, memory: 'lstm_memory', embedding: 'lstm_h' },
  };
}

/**
 * One step of an LSTM (Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000), with h and c the halves of `memory`:
 * c' = σ(forget) · c + σ(input) · tanh(candidate), h' = σ(output) · tanh(c'), each gate a dense layer that reads x and h. It is
 * made of layers, since tfjs's own LSTM cannot be given its state in a model. Kernels start orthogonal, biases from 0, that of the
 * forget gate from 1 (Jozefowicz, Zaremba & Sutskever 2015).
 *
 * @param x layer that gives what is read, a vector
 */
function lstmStep(x: string, units: number): LayerSpec[] {
  const half = (name: string, start: number): LayerSpec[] => [
    { name: `${name}_half`, from: ['lstm_halves'], config: { type: 'crop', start, end: 1 - start } },
    { name, from: [`${name}_half`], config: { type: 'reshape', shape: [units] } },
  ];
  const gate = (name: string, activation: 'sigmoid' | 'tanh' = 'sigmoid', start = 0): LayerSpec => ({
    name: `lstm_${name}`,
    from: ['lstm_input'],
    config: { type: 'dense', units, gain: 1, start, activation },
  });
  return [
    { name: 'lstm_halves', from: ['memory'], config: { type: 'reshape', shape: [1, 2, units] } },
    ...half('lstm_last_h', 0),
    ...half('lstm_last_c', 1),
    { name: 'lstm_input', from: [x, 'lstm_last_h'], config: { type: 'concat' } },
    gate('input_gate'),
    gate('forget_gate', 'sigmoid', 1),
    gate('candidate', 'tanh'),
    gate('output_gate'),
    { name: 'lstm_kept', from: ['lstm_forget_gate', 'lstm_last_c'], config: { type: 'multiply' } },
    { name: 'lstm_written', from: ['lstm_input_gate', 'lstm_candidate'], config: { type: 'multiply' } },
    { name: 'lstm_c', from: ['lstm_kept', 'lstm_written'], config: { type: 'add' } },
    { name: 'lstm_c_tanh', from: ['lstm_c'], config: { type: 'tanh' } },
    { name: 'lstm_h', from: ['lstm_output_gate', 'lstm_c_tanh'], config: { type: 'multiply' } },
    { name: 'lstm_memory', from: ['lstm_h', 'lstm_c'], config: { type: 'concat' } },
  ];
}
