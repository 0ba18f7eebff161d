import type { Agent, AgentContext, HostTensor, Random, z } from '@retort/core';
import { compile, type Optimizer, type TensorMap } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { drawNoise } from './distribution.js';
import { boxScale } from './gaussian.js';
import { createLearner } from './learner.js';
import { createValueNetwork, prefixed, squaredError, type Variables } from './network.js';
import { createOffPolicyAgent, type offPolicyOptions, takeNetwork } from './off-policy-agent.js';
import { givenPolicyNetwork } from './policy-network.js';
import { follow } from './target-network.js';

type OffPolicyOptions = { [K in keyof typeof offPolicyOptions]: z.output<(typeof offPolicyOptions)[K]> };

export interface DeterministicActorCriticOptions extends OffPolicyOptions {
  /** Widths of each critic's hidden layers. */
  hidden: number[];
  /** Standard deviation of the noise on actions while it learns, in half ranges. */
  boxNoise: number;
  targetRate: number;
  /** 2: targets are the smaller of two critics' values. */
  critics: 1 | 2;
  /** Deviation of the noise on target actions, and where it is clipped, in half ranges. */
  smoothing?: { deviation: number; clip: number };
  /** Critic steps per step of the actor and of the targets. */
  policyDelay: number;
}

/**
 * Deterministic policy gradient from a replay for box actions in environments: the given network is the actor, its action
 * middle + half range · tanh(mean); critics are the agent's own layers on state and action together. Critics see states as the
 * network normalizes them.
 *
 * @param agent its name, for errors
 */
export async function createDeterministicActorCritic(
  agent: string,
  given: DeterministicActorCriticOptions,
  context: AgentContext,
  optimizer: Optimizer,
): Promise<Agent> {
  const { seeds, actions, stateSize } = context;
  const network = takeNetwork(agent, 'box', context);
  const [init, noise, order, smoothing] = ['init', 'noise', 'order', 'smoothing'].map((name) => seeds.stream(name));
  const [[head, space]] = Object.entries(actions);
  const box = space as { low: number[]; high: number[] };
  const [scale, size] = [boxScale(box), box.low.length];
  const { batchSize, boxNoise, policyDelay, targetRate } = given;

  const actor = givenPolicyNetwork(network, context);
  const copy = await network.copy();
  const targetActor = givenPolicyNetwork({ ...network, student: copy }, context);
  const makeCritics = () => createCritics(given.critics, stateSize + size, given.hidden, init);
  const [critics, targetCritics] = [makeCritics(), makeCritics()];
  follow(targetActor.variables, actor.variables, 1);
  follow(targetCritics.variables, critics.variables, 1);
  const actorLearner = createLearner(optimizer, actor.variables);
  const criticLearner = createLearner(optimizer, critics.variables);
  const variables: Variables = {
    ...prefixed('actor', actorLearner.variables),
    ...prefixed('fixed', actor.fixed),
    ...prefixed('targetActor', targetActor.variables),
    ...prefixed('targetFixed', targetActor.fixed),
    ...prefixed('critic', criticLearner.variables),
    ...prefixed('targetCritic', targetCritics.variables),
  };

  // The layer that holds the moments of observations, where the network has one.
  const normalize = network.student.model.layers.find(({ name }) => name === 'normalize');
  const see = (state: tf.Tensor) => (normalize ? (normalize.apply(state, { training: false }) as tf.Tensor) : state);
  const unitAction = ({ apply }: typeof actor, state: tf.Tensor) => tf.tanh(apply(state as tf.Tensor2D).heads[head]);

  const act = compile(
    ({ state, normal, uniform }: TensorMap) => {
      if (uniform) return { action: scale.fromUnit(uniform as tf.Tensor2D) };
      const unit = unitAction(actor, state);
      const explored = normal ? unit.add(normal.mul(boxNoise)).clipByValue(-1, 1) : unit;
      return { action: scale.fromUnit(explored as tf.Tensor2D) };
    },
    { variables: { ...actor.variables, ...actor.fixed } },
  );

  const learnCritics = ({ state, action, reward, nextState, bootstrap, normal }: TensorMap) => {
    let nextAction: tf.Tensor = unitAction(targetActor, nextState);
    if (given.smoothing) {
      const { deviation, clip } = given.smoothing;
      nextAction = nextAction.add(normal.mul(deviation).clipByValue(-clip, clip)).clipByValue(-1, 1);
    }
    const nextValue = targetCritics
      .apply(see(nextState), nextAction as tf.Tensor2D)
      .reduce((smallest, value) => tf.minimum<tf.Tensor1D>(smallest, value));
    const goal = reward.add<tf.Tensor1D>(bootstrap.mul(nextValue));
    const [seen, unit] = [see(state), scale.toUnit(action as tf.Tensor2D)];
    const { loss, value } = criticLearner.minimize(() => {
      const values = critics.apply(seen, unit);
      return {
        loss: tf.addN(values.map((each) => squaredError(each, goal))),
        value: values[0].mean<tf.Scalar>(),
      };
    });
    return { criticLoss: loss, value };
  };
  const criticStep = compile(learnCritics, { variables });
  const wholeStep = compile(
    (inputs: TensorMap) => {
      const report = learnCritics(inputs);
      const seen = see(inputs.state);
      const { loss: actorLoss } = actorLearner.minimize(() => {
        const [value] = critics.apply(seen, unitAction(actor, inputs.state));
        return { loss: value.mean<tf.Scalar>().neg() };
      });
      follow(targetActor.variables, actor.variables, targetRate);
      follow(targetCritics.variables, critics.variables, targetRate);
      return { ...report, actorLoss };
    },
    { variables },
  );

  return createOffPolicyAgent(
    {
      variables,
      actionSize: size,
      noise: (rows, seen): Record<string, HostTensor> => {
        const shape = [rows, size];
        if (seen >= given.learningStarts) return drawNoise({ [`${head}/normal`]: { shape, from: 'normal' } }, noise);
        const data = noise.fill(new Float32Array(rows * size), 'uniform').map((value) => 2 * value - 1);
        return { [`${head}/uniform`]: { data, shape } };
      },
      act: (state, drawn) => {
        const [normal, uniform] = [drawn?.[`${head}/normal`], drawn?.[`${head}/uniform`]];
        return { action: { [head]: act({ state, ...(normal && { normal }), ...(uniform && { uniform }) }).action } };
      },
      prepare: () => follow(targetActor.fixed, actor.fixed, 1),
      learn: (batch, step) => {
        const normal = given.smoothing && smoothing.fill(new Float32Array(batchSize * size), 'normal');
        const inputs = { ...batch, ...(normal && { normal: tf.tensor2d(normal, [batchSize, size]) }) };
        return step % policyDelay === 0 ? wholeStep(inputs) : criticStep(inputs);
      },
      dispose: () => {
        copy.model.dispose();
        const givenOnes = new Set(Object.values(actor.variables));
        const own = { ...prefixed('actor', actorLearner.variables), ...prefixed('critic', criticLearner.variables) };
        tf.dispose(Object.values(own).filter((variable) => !givenOnes.has(variable)));
        tf.dispose(targetCritics.variables);
      },
    },
    { ...given, nStep: 1 },
    context,
    order,
  );
}

/** Q_i(s, a) of one or two critics, [B] each; 0 everywhere at first. */
function createCritics(count: number, inputs: number, hidden: readonly number[], random: Random) {
  const networks = Array.from({ length: count }, () => createValueNetwork(inputs, hidden, random));
  return {
    variables: Object.assign(
      {},
      ...networks.map((network, i) => prefixed(String(i + 1), network.variables)),
    ) as Variables,
    apply: (state: tf.Tensor, action: tf.Tensor2D): tf.Tensor1D[] => {
      const both = tf.concat([state as tf.Tensor2D, action], 1);
      return networks.map((network) => network.apply(both));
    },
  };
}
