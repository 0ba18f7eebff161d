import { type AgentContext, type Distribution, InputError, type NetworkOutput, type Random } from '@retort/core';
import { forward, namedWeights } from '@retort/nn';
import type * as tf from '@tensorflow/tfjs';
import { createHeadNetwork, type Variables } from './network.js';

/** What a policy's network says of B states. */
export interface PolicyOutput {
  /** What the distribution of each action depends on, [B, P]. */
  heads: Record<string, tf.Tensor2D>;
  /** All that a network that was given says: its value, its memory, what guidance reads. */
  network?: NetworkOutput;
}

/** The network behind an agent's policy. */
export interface PolicyNetwork {
  /** What is learned. */
  readonly variables: Variables;
  /** What else it reads, such as moments of observations. */
  readonly fixed: Variables;
  /** M, numbers it hands on to its next step; 0 of one that does not remember. */
  readonly memorySize: number;
  /** Whether it values states, too. */
  readonly hasValue: boolean;
  /** @param memory [B, M] where it remembers */
  apply(state: tf.Tensor2D, memory?: tf.Tensor2D): PolicyOutput;
}

/** One of the agent's own: hidden layers that all heads share. */
export function ownPolicyNetwork(
  stateSize: number,
  hidden: readonly number[],
  distributions: Record<string, Distribution>,
  random: Random,
): PolicyNetwork {
  const columns = Object.entries(distributions).map(([head, { dependent }]) => [head, dependent] as const);
  const network = createHeadNetwork(stateSize, hidden, Object.fromEntries(columns), random);
  return {
    variables: network.variables,
    fixed: {},
    memorySize: 0,
    hasValue: false,
    apply: (state) => ({ heads: network.apply(state) }),
  };
}

/** The one that was given. Its variables are those of the student; whoever made it disposes them. @throws InputError when it cannot take the action */
export function givenPolicyNetwork(
  { student, observationShape }: NonNullable<AgentContext['network']>,
  { actions, path }: Pick<AgentContext, 'actions' | 'path'>,
): PolicyNetwork {
  const [[head, space], ...others] = Object.entries(actions);
  if (others.length > 0 || space.kind === 'simplex') {
    throw new InputError(`${path}: a network that is given takes one action, discrete or of a box`);
  }
  const [output, size] =
    space.kind === 'discrete' ? (['logits', space.size] as const) : (['mean', space.low.length] as const);
  const offered = student.offers[output];
  if (!offered || offered.length !== 1 || offered[0] !== size) {
    const offers = Object.entries(student.offers).map(([name, shape]) => `${name} [B, ${shape.join(', ')}]`);
    throw new InputError(
      `${path}: the network must offer ${output} [B, ${size}] for the ${space.kind} action "${head}"; it offers ${offers.join(', ')}`,
    );
  }
  const { trainable, frozen } = namedWeights(student.model);
  return {
    variables: trainable,
    fixed: frozen,
    memorySize: student.offers.memory?.[0] ?? 0,
    hasValue: 'value' in student.offers,
    apply: (state, memory) => {
      const shaped = state.reshape([state.shape[0], ...observationShape]);
      const network = forward(student, { state: shaped, memory }, { training: false });
      return { heads: { [head]: network[output]! }, network };
    },
  };
}
