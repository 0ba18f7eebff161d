import { definePart, z, type EnvironmentSpaces } from '@retort/core';
import { actingHeads, actingOptions, environmentOf, hiddenLayers, stateVector } from './acting.js';
import { buildStudent } from './build-student.js';
import type { NetworkSpec } from './network-spec.js';

const options = z.strictObject({
  hidden: z.array(z.number().int().positive()).min(1).default([64, 64]).describe('Units of the hidden layers.'),
  ...actingOptions,
  activation: actingOptions.activation.default('tanh'),
  value: z
    .enum(['separate', 'shared', 'none'])
    .default('separate')
    .describe('The value has hidden layers of its own, reads those of the policy, or is left out.'),
});

/** Dense layers from a state to actions and a value, as CleanRL's and Stable-Baselines3's. */
export const policyMlp = definePart('student', {
  name: 'policy-mlp',
  summary: 'dense layers that act in an environment, with a value',
  options,
  create: (settings, context) => {
    const environment = environmentOf(context, 'policy-mlp');
    const spec = policyMlpSpec({ ...settings, environment, where: context.path });
    return buildStudent(spec, 'policy_mlp', context.seeds.stream('init'));
  },
});

/**
 * Outputs: logits [n] of discrete actions, or mean [n] of a box; value [1] unless `none`; advantages [n] if dueling; embedding
 * [hidden], the policy's last hidden layer.
 */
export function policyMlpSpec({
  hidden,
  activation,
  normalize,
  value,
  dueling,
  environment: { observationSpace, actionSpace },
  where,
}: z.output<typeof options> & { environment: EnvironmentSpaces; where: string }): NetworkSpec {
  const input = stateVector(observationSpace.shape, normalize);
  const policy = hiddenLayers('hidden', input.end, hidden, activation);
  const critic = value === 'separate' ? hiddenLayers('value_hidden', input.end, hidden, activation) : undefined;
  const heads = actingHeads(actionSpace, {
    policy: policy.end,
    value: value === 'none' ? undefined : (critic ?? policy).end,
    dueling,
    where,
  });
  return {
    stateShape: observationSpace.shape,
    layers: [...input.layers, ...policy.layers, ...(critic?.layers ?? []), ...heads.layers],
    outputs: { ...heads.outputs, embedding: policy.end },
  };
}
