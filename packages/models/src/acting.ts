import { InputError, z, type ActionSpace, type EnvironmentSpaces, type StudentContext } from '@retort/core';
import { sizeOf } from './layer-rules.js';
import type { LayerSpec } from './network-spec.js';

/** Options that networks that act share. */
export const actingOptions = {
  activation: z.enum(['tanh', 'relu']).describe('After every hidden layer.'),
  normalize: z
    .boolean()
    .default(true)
    .describe('Normalizes observations by their running moments, which become part of the network.'),
  dueling: z
    .boolean()
    .default(false)
    .describe(
      'Logits are the value plus centered advantages (Wang et al. 2016, eq. 9), for values of discrete actions.',
    ),
};

/** @throws InputError where a network that acts is asked for in a run without an environment */
export function environmentOf({ environment, path }: StudentContext, name: string): EnvironmentSpaces {
  if (environment) return environment;
  throw new InputError(`${name} acts in environments; this run has a data set`, {
    hints: [
      'students that look at images: cifar-resnet, wide-resnet, small-cnn …; or an environment in place of dataset',
    ],
    where: path,
  });
}

/** Where a part of a network starts and what it is called. */
export interface Trunk {
  layers: LayerSpec[];
  /** Its last layer, a vector. */
  end: string;
}

/** A state as a vector, normalized if asked: layers `flat`, where it has several axes, and `normalize`. */
export function stateVector(shape: readonly number[], normalize: boolean): Trunk {
  const layers: LayerSpec[] = [];
  let end = 'state';
  const add = (name: string, config: LayerSpec['config']) => {
    layers.push({ name, from: [end], config });
    end = name;
  };
  if (shape.length > 1) add('flat', { type: 'reshape', shape: [sizeOf([...shape])] });
  if (normalize) add('normalize', { type: 'observation-norm' });
  return { layers, end };
}

/** Dense layers `PREFIX_1`, `PREFIX_2` …, orthogonal times √2 (Engstrom et al. 2020, §3). */
export function hiddenLayers(
  prefix: string,
  from: string,
  sizes: readonly number[],
  activation: 'tanh' | 'relu',
): Trunk {
  const name = (i: number) => (i === 0 ? from : `${prefix}_${i}`);
  return {
    layers: sizes.map((units, i) => ({
      name: name(i + 1),
      from: [name(i)],
      config: { type: 'dense', units, gain: Math.SQRT2, activation },
    })),
    end: name(sizes.length),
  };
}

/**
 * What a network that acts ends in: `logits` of discrete actions or the `mean` of a box, orthogonal times 0.01, so that a new
 * policy is close to uniform; and `value`, orthogonal times 1. With `dueling`, logits = value + advantages, the advantages less
 * their mean (Wang et al. 2016, eq. 9).
 *
 * @param policy layer that the actions are read off
 * @param value layer that the value is read off; undefined for none
 * @param where the student stands in the manifest, for the error
 * @throws InputError for dueling without discrete actions or without a value
 */
export function actingHeads(
  space: ActionSpace,
  { policy, value, dueling, where }: { policy: string; value?: string; dueling: boolean; where: string },
): { layers: LayerSpec[]; outputs: Record<string, string> } {
  const head = (name: string, from: string, units: number, gain: number): LayerSpec => ({
    name,
    from: [from],
    config: { type: 'dense', units, gain },
  });
  const valueHead = value === undefined ? [] : [head('value', value, 1, 1)];
  const valueOutput: Record<string, string> = value === undefined ? {} : { value: 'value' };
  if (dueling) {
    if (space.kind === 'box')
      throw new InputError('dueling: the actions of this environment are not discrete', { where });
    if (value === undefined) throw new InputError('dueling needs a value: separate or shared, not none', { where });
    return {
      layers: [
        head('raw_advantages', policy, space.size, 0.01),
        { name: 'advantages', from: ['raw_advantages'], config: { type: 'center', size: space.size } },
        ...valueHead,
        { name: 'logits', from: ['advantages', 'value'], config: { type: 'add' } },
      ],
      outputs: { logits: 'logits', ...valueOutput, advantages: 'advantages' },
    };
  }
  const [output, units] = space.kind === 'box' ? ['mean', space.low.length] : ['logits', space.size];
  return {
    layers: [head(output as string, policy, units as number, 0.01), ...valueHead],
    outputs: { [output]: output as string, ...valueOutput },
  };
}
