import {
  type Agent,
  type AgentContext,
  type AgentNetwork,
  type Decision,
  type Experience,
  type HostTensor,
  InputError,
  type Random,
  type StateTree,
  type UpdateReport,
  z,
} from '@retort/core';
import { endPiece, loadVariables, saveVariables, type TensorMap, toTensor } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { createHostReplay } from './host-replay.js';
import { createNStepJoiner, type Step } from './n-step.js';
import type { Variables } from './network.js';
import * as shared from './options.js';

/** Options of agents that learn from a replay of what they did in an environment. */
export const offPolicyOptions = {
  capacity: z
    .int()
    .positive()
    .default(100_000)
    .describe(
      'Transitions remembered, first in, first out. Twice an observation each, in host memory and checkpoints.',
    ),
  learningStarts: z.int().nonnegative().default(1000).describe('Transitions before the first gradient step.'),
  updatesPerStep: z
    .number()
    .positive()
    .default(1)
    .describe('Gradient steps per step of all copies together; 0.25 is one every four steps.'),
  batchSize: z.int().positive().default(128).describe('Transitions per gradient step.'),
  discount: shared.discount,
};

/** What sets one such agent apart from another. */
export interface OffPolicyMethod {
  /** Of the network that was given, of targets and critics, optimizers' slots and counters. */
  readonly variables: Variables;
  /** Numbers of an action as it is remembered. */
  actionSize: number;
  /** @param seen transitions observed so far */
  noise(batchSize: number, seen: number): Record<string, HostTensor>;
  act(state: tf.Tensor2D, noise?: Record<string, tf.Tensor>): Decision;
  /** Before gradient steps. The network may have been told other moments of observations since the last ones. */
  prepare(): void;
  /**
   * One gradient step.
   *
   * @param batch state [B, S], action [B, n], reward [B], nextState [B, S] and bootstrap [B], as of {@link createNStepJoiner}
   * @param step number of the gradient step, from 1
   */
  learn(batch: TensorMap, step: number): UpdateReport;
  /** All but the network that was given. */
  dispose(): void;
}

/** An agent that remembers transitions and learns from random ones of them, with as many gradient steps as it is told. */
export function createOffPolicyAgent(
  method: OffPolicyMethod,
  given: { [K in keyof typeof offPolicyOptions]: z.output<(typeof offPolicyOptions)[K]> } & { nStep: number },
  { stateSize, actions }: Pick<AgentContext, 'stateSize' | 'actions'>,
  order: Random,
): Agent {
  const [head] = Object.keys(actions);
  const widths = { state: stateSize, action: method.actionSize, reward: 1, nextState: stateSize, bootstrap: 1 };
  const replay = createHostReplay(given.capacity, widths);
  const joiner = createNStepJoiner(given, ({ reward, bootstrap, ...rest }) =>
    replay.add({ ...rest, reward: [reward], bootstrap: [bootstrap] }),
  );
  // Transitions observed, steps of all copies since learning started, gradient steps done.
  let [seen, steps, learned] = [0, 0, 0];

  const learnOnce = (): UpdateReport => {
    const drawn = replay.sample(given.batchSize, order);
    const report = tf.tidy(() => {
      const { reward, bootstrap, ...columns } = Object.fromEntries(
        Object.entries(drawn).map(([name, values]) => [name, toTensor(values)]),
      );
      return method.learn({ ...columns, reward: reward.as1D(), bootstrap: bootstrap.as1D() }, ++learned);
    });
    endPiece();
    return report;
  };

  return {
    variables: method.variables,
    // Little, so that what was learned soon acts.
    collects: 4,
    noise: (batchSize) => method.noise(batchSize, seen),
    act: (state, noise) => tf.tidy(() => method.act(state, noise) as Required<Decision>),
    observe: (experience) => {
      const observed = stepsOf(experience, head, method.actionSize);
      joiner.add(observed);
      seen += observed.filter(Boolean).length;
      if (seen >= given.learningStarts) steps++;
    },
    update: () => {
      const due = Math.floor(steps * given.updatesPerStep) - learned;
      if (due <= 0 || replay.count === 0) return {};
      method.prepare();
      return tf.tidy(() => meanByName(Array.from({ length: due }, learnOnce)));
    },
    // Experience lies on the host.
    memoryTensors: 0,
    save: async (): Promise<StateTree> => ({
      variables: await saveVariables(method.variables),
      replay: replay.save(),
      begun: joiner.save(),
      counts: [seen, steps, learned],
    }),
    load: (state) => {
      const saved = state as { variables: StateTree; replay: StateTree; begun: StateTree; counts: number[] };
      loadVariables(method.variables, saved.variables, 'agent');
      replay.load(saved.replay);
      joiner.load(saved.begun);
      [seen, steps, learned] = saved.counts;
    },
    dispose: () => method.dispose(),
  };
}

/** One step of each row. What an environment showed is at hand on the host: reading it costs a copy and computes nothing. */
function stepsOf(experience: Experience, head: string, actionSize: number): (Step | undefined)[] {
  const { state, action, reward, nextState = state, terminated, truncated, mask } = experience;
  const [count, size] = state.shape;
  const read = (tensor: tf.Tensor | undefined) => tensor?.dataSync();
  const [states, nextStates] = [read(state)!, read(nextState)!];
  const [actions, rewards, ends, cuts, counts] = [action[head], reward, terminated, truncated, mask].map(read);
  return Array.from({ length: count }, (_, row) => {
    if (counts && !counts[row]) return undefined;
    const rowOf = (values: tf.TypedArray, width: number) =>
      new Float32Array(values.subarray(row * width, (row + 1) * width));
    return {
      state: rowOf(states, size),
      action: rowOf(actions!, actionSize),
      reward: rewards![row],
      nextState: rowOf(nextStates, size),
      // Without next states every step ends its episode.
      terminated: experience.nextState === undefined || Boolean(ends?.[row]),
      truncated: Boolean(cuts?.[row]),
    };
  });
}

/** Mean of each scalar over the reports that have it. */
function meanByName(reports: UpdateReport[]): UpdateReport {
  const names = [...new Set(reports.flatMap((report) => Object.keys(report)))];
  return Object.fromEntries(
    names.map((name) => [
      name,
      tf.stack(reports.flatMap((report) => (name in report ? [report[name]] : []))).mean<tf.Scalar>(),
    ]),
  );
}

/**
 * The network an agent is to train.
 *
 * @throws InputError when there is none, when its actions are of another kind, when it remembers, or when guidance is asked for
 */
export function takeNetwork(
  agent: string,
  kind: 'discrete' | 'box',
  { network, actions, guidance, path }: AgentContext,
): AgentNetwork {
  const others = kind === 'discrete' ? 'use ddpg or td3, or ppo' : 'use dqn, or ppo';
  for (const [name, space] of Object.entries(actions)) {
    if (space.kind === kind) continue;
    const wanted = kind === 'discrete' ? 'discrete actions' : 'actions of a box';
    throw new InputError(`${path}: ${agent} takes ${wanted} in environments; "${name}" is ${space.kind}`, {
      hints: [space.kind === 'simplex' ? 'for weights of teachers: pg, ppo, grpo, dpg or ddpg' : others],
    });
  }
  if (!network) {
    throw new InputError(`${path}: ${agent} trains the network of a run in an environment, and this run has none`, {
      hints: ['with an environment: trainer: { use: reinforcement }'],
    });
  }
  refuseGuidance(agent, { guidance, path });
  if ('memory' in network.student.offers) {
    throw new InputError(
      `${path}: ${agent} learns from single transitions, which a network that remembers cannot use`,
      {
        hints: ['use ppo, or a network without memory; the wrapper frame-stack shows the last observations together'],
      },
    );
  }
  return network;
}

/** @throws InputError when guidance is asked for */
export function refuseGuidance(agent: string, { guidance, path }: Pick<AgentContext, 'guidance' | 'path'>): void {
  if (!guidance) return;
  throw new InputError(`${path}: ${agent} cannot be guided by a teacher while it learns`, {
    hints: ['pg, reinforce, ppo and grpo can'],
  });
}
