import type {
  ActionSpace,
  ActionTensors,
  AgentContext,
  Decision,
  Distribution,
  HostTensor,
  PartReference,
  Random,
} from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { createCategorical } from './categorical.js';
import { drawNoise } from './distribution.js';
import { createGaussian } from './gaussian.js';
import type { Variables } from './network.js';
import type { PolicyOutput } from './policy-network.js';

/** A stochastic policy: one distribution per action, on what a network says of a state. */
export interface Policy {
  /** Parameters of distributions that do not depend on the state, such as deviations. */
  readonly variables: Variables;
  noise(batchSize: number, random: Random): Record<string, HostTensor>;
  act(output: PolicyOutput, noise?: Record<string, tf.Tensor>): Required<Decision>;
  /** [B] log-density of an action and entropy, summed over heads. Differentiable. */
  evaluate(output: PolicyOutput, action: ActionTensors): { logProbability: tf.Tensor1D; entropy: tf.Tensor1D };
}

export function createPolicy(distributions: Record<string, Distribution>): Policy {
  const heads = Object.entries(distributions);
  const variables: Variables = {};
  for (const [head, { shared }] of heads) {
    if (shared.length > 0) variables[`${head}/shared`] = tf.tidy(() => tf.variable(tf.tensor2d([[...shared]])));
  }

  /** Parameters of each head's distribution, [B, P]. */
  const parameters = ({ heads: dependent }: PolicyOutput): Record<string, tf.Tensor2D> =>
    Object.fromEntries(
      heads.map(([head, { shared }]) => {
        if (shared.length === 0) return [head, dependent[head]];
        const rows = tf.tile(variables[`${head}/shared`] as tf.Tensor as tf.Tensor2D, [dependent[head].shape[0], 1]);
        return [head, tf.concat([dependent[head], rows], 1)];
      }),
    );
  const total = (of: (head: string, distribution: Distribution) => tf.Tensor1D): tf.Tensor1D =>
    tf.addN(heads.map(([head, distribution]) => of(head, distribution)));

  return {
    variables,
    noise: (batchSize, random) =>
      Object.assign(
        {},
        ...heads.map(([head, distribution]) =>
          Object.fromEntries(
            Object.entries(drawNoise(distribution.noise(batchSize), random)).map(([name, values]) => [
              `${head}/${name}`,
              values,
            ]),
          ),
        ),
      ) as Record<string, HostTensor>,
    act: (output, noise) =>
      tf.tidy(() => {
        const given = parameters(output);
        const action = Object.fromEntries(
          heads.map(([head, distribution]) => {
            if (!noise) return [head, distribution.mode(given[head])];
            const names = Object.keys(distribution.noise(given[head].shape[0]));
            const own = Object.fromEntries(names.map((name) => [name, noise[`${head}/${name}`]]));
            return [head, distribution.sample(given[head], own)];
          }),
        );
        return {
          action,
          logProbability: total((head, distribution) => distribution.logProbability(given[head], action[head])),
        };
      }),
    evaluate: (output, action) =>
      tf.tidy(() => {
        const given = parameters(output);
        return {
          logProbability: total((head, distribution) => distribution.logProbability(given[head], action[head])),
          entropy: total((head, distribution) => distribution.entropy(given[head])),
        };
      }),
  };
}

/** The distribution of each action: categorical, Gaussian, and for simplex heads the one that was chosen. */
export async function distributionsFor(
  { actions, scope, path }: AgentContext,
  forSimplex: PartReference<'distribution'>,
): Promise<Record<string, Distribution>> {
  const create = (head: string, space: ActionSpace): Distribution | Promise<Distribution> => {
    if (space.kind === 'discrete') return createCategorical(space.size);
    if (space.kind === 'box') return createGaussian(space);
    return scope.create(forSimplex, { space, path: `${path}.actions.${head}` });
  };
  const distributions: Record<string, Distribution> = {};
  for (const [head, space] of Object.entries(actions)) distributions[head] = await create(head, space);
  return distributions;
}
