import { definePart, InputError, z, type EnvironmentSpaces } from '@retort/core';
import { actingHeads, actingOptions, environmentOf, hiddenLayers, type Trunk } from './acting.js';
import { buildStudent } from './build-student.js';
import { sizeOf } from './layer-rules.js';
import type { LayerSpec, NetworkSpec } from './network-spec.js';

const options = z.strictObject({
  filters: z
    .array(z.number().int().positive())
    .min(1)
    .default([16])
    .describe('Filters of the 3 x 3 convolutions, each of which takes a cell off every side.'),
  hidden: z.array(z.number().int().positive()).min(1).default([128]).describe('Units of the dense layers.'),
  activation: actingOptions.activation.default('relu'),
  value: z
    .enum(['separate', 'shared', 'none'])
    .default('shared')
    .describe('The value has layers of its own, reads those of the policy, or is left out.'),
  dueling: actingOptions.dueling,
});

/** A convolution and a dense layer from a grid to actions and a value, as MinAtar's network. */
export const policyCnn = definePart('student', {
  name: 'policy-cnn',
  summary: 'a convolution and a dense layer that act on grids, with a value',
  options,
  create: (settings, context) => {
    const environment = environmentOf(context, 'policy-cnn');
    const spec = policyCnnSpec({ ...settings, environment, where: context.path });
    return buildStudent(spec, 'policy_cnn', context.seeds.stream('init'));
  },
});

/**
 * Outputs: logits [n] of discrete actions, or mean [n] of a box; value [1] unless `none`; advantages [n] if dueling; embedding
 * [hidden] and featureMap [H, W, filters], the policy's last hidden layer and last map.
 *
 * @throws InputError when the environment shows no grid, or one that is too small for the convolutions
 */
export function policyCnnSpec({
  filters,
  hidden,
  activation,
  value,
  dueling,
  environment: { observationSpace, actionSpace },
  where,
}: z.output<typeof options> & { environment: EnvironmentSpaces; where: string }): NetworkSpec {
  const { shape } = observationSpace;
  const lost = 2 * filters.length;
  if (shape.length !== 3 || Math.min(shape[0], shape[1]) <= lost) {
    throw new InputError(
      `policy-cnn looks at grids of at least ${lost + 1} x ${lost + 1} cells; this environment shows [${shape.join(', ')}]`,
      { hints: ['policy-mlp reads observations of any shape'], where },
    );
  }
  const flat = sizeOf([shape[0] - lost, shape[1] - lost, filters.at(-1)!]);
  const trunk = (prefix: string): Trunk & { map: string } => {
    const layers: LayerSpec[] = [];
    let map = 'state';
    for (const [i, count] of filters.entries()) {
      const name = `${prefix}conv_${i + 1}`;
      const config = { type: 'conv', filters: count, size: 3, padding: 'valid', bias: true, gain: Math.SQRT2 } as const;
      layers.push({ name, from: [map], config });
      map = `${name}_${activation}`;
      layers.push({ name: map, from: [name], config: { type: activation } });
    }
    layers.push({ name: `${prefix}flat`, from: [map], config: { type: 'reshape', shape: [flat] } });
    const dense = hiddenLayers(`${prefix}hidden`, `${prefix}flat`, hidden, activation);
    return { layers: [...layers, ...dense.layers], end: dense.end, map };
  };
  const policy = trunk('');
  const critic = value === 'separate' ? trunk('value_') : undefined;
  const heads = actingHeads(actionSpace, {
    policy: policy.end,
    value: value === 'none' ? undefined : (critic ?? policy).end,
    dueling,
    where,
  });
  return {
    stateShape: shape,
    layers: [...policy.layers, ...(critic?.layers ?? []), ...heads.layers],
    outputs: { ...heads.outputs, embedding: policy.end, featureMap: policy.map },
  };
}
