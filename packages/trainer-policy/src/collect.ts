import type { Agent, Environment, HostTensor, StateTree } from '@retort/core';
import { endPiece, mapValues, toTensor } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { observationSize } from './compose-acting.js';
import type { EnvironmentReward, EnvironmentTransition } from './environment-reward.js';
import type { ObservationMoments } from './observation-moments.js';
import type { RewardScale } from './reward-scale.js';
import { stepEnvironment } from './step-environment.js';
import type { TrainingEpisodes } from './training-episodes.js';

/** A reward of a run, and how much it counts. */
export interface WeightedEnvironmentReward {
  /** Its name in the log. */
  name: string;
  weight: number;
  reward: EnvironmentReward;
}

export interface CollectOptions {
  environment: Environment;
  agent: Agent;
  /** Every copy plays one episode, and waits until all are over; else copies go from episode to episode. */
  wholeEpisodes: boolean;
  episodes: TrainingEpisodes;
  /** Added to what the environment gives, in this order. */
  rewards?: readonly WeightedEnvironmentReward[];
  /** Divides what the environment gives before anything is added. */
  rewardScale?: RewardScale;
  moments?: ObservationMoments;
  /** What the agent's guidance compares with, of observations [N, …shape]. The caller owns the tensors. */
  reference?(observations: Float32Array): Promise<Record<string, tf.Tensor>>;
}

/** Steps an environment with an agent, which observes what comes of it. */
export interface Collector {
  /** Steps of all copies since the run began. */
  readonly steps: number;
  /** Steps of single copies since the run began, those that waited left out. */
  readonly transitions: number;
  /** Whether every copy's episode is over, where whole episodes are collected. */
  readonly allOver: boolean;
  /** Starts all copies; of a new run. */
  begin(): Promise<void>;
  /** One step of all copies; starts them anew first where {@link allOver}. @returns transitions */
  step(): Promise<number>;
  /** Means of what each added reward gave since the last call, weights left out, as `reward/NAME`. */
  readRewards(): Record<string, number>;
  save(): Promise<StateTree>;
  load(state: StateTree): Promise<void>;
}

export function createCollector(options: CollectOptions): Collector {
  const { environment, agent, wholeEpisodes, episodes, rewards = [], rewardScale, moments, reference } = options;
  const { count, actionSpace } = environment;
  const size = observationSize(environment);
  const over = new Uint8Array(count);
  let [steps, transitions] = [0, 0];
  const sums = new Float64Array(rewards.length + 1);

  const begin = async () => {
    environment.reset();
    over.fill(0);
    episodes.restart();
    for (const { reward } of rewards) await reward.begin?.(environment.observations);
  };

  const add = async (transition: EnvironmentTransition): Promise<Float32Array> => {
    const { terminated, truncated, mask } = transition;
    const ended = terminated.map((end, copy) => end | truncated[copy]);
    const total = rewardScale ? rewardScale.scale(transition.rewards, ended) : Float64Array.from(transition.rewards);
    for (const [i, { reward, weight }] of rewards.entries()) {
      const added = await reward.reward(transition);
      for (let copy = 0; copy < count; copy++) {
        total[copy] += weight * added[copy];
        if (!mask || mask[copy]) sums[i] += added[copy];
      }
    }
    return Float32Array.from(total);
  };

  return {
    get steps() {
      return steps;
    },
    get transitions() {
      return transitions;
    },
    get allOver() {
      return wholeEpisodes && !over.includes(0);
    },
    begin,
    async step() {
      if (wholeEpisodes && !over.includes(0)) await begin();
      // The environment writes its arrays anew, and tensors keep the arrays they are made of.
      const observations = environment.observations.slice();
      const mask = wholeEpisodes ? over.map((isOver) => 1 - isOver) : undefined;
      const asked = reference?.(observations);
      const state = tf.tensor2d(observations, [count, size]);
      const noise = mapValues(agent.noise(count), (tensor) => toTensor(tensor));
      const decision = agent.act(state, noise);
      tf.dispose(noise);
      const chosen = decision.action.action;
      const actions = ((await chosen.data()) as Int32Array | Float32Array).slice();
      moments?.absorb(observations, mask);
      const result = stepEnvironment(environment, actions, steps);
      const { terminated, truncated } = result;
      episodes.add({ ...result, mask });
      const nextObservations = result.nextObservations.slice();
      const reward = await add({ ...result, observations, nextObservations, following: result.observations, mask });
      const column = (values: ArrayLike<number>) => tf.tensor1d(Float32Array.from(values));
      const experience = {
        state,
        // What was done, bounds' rounding taken off.
        action: { action: actionSpace.kind === 'box' ? tf.tensor(actions, chosen.shape) : chosen },
        logProbability: decision.logProbability,
        reward: tf.tensor1d(reward),
        nextState: tf.tensor2d(nextObservations, [count, size]),
        terminated: column(terminated),
        truncated: column(truncated),
        ...(mask && { mask: column(mask) }),
        ...(asked && { reference: await asked }),
      };
      agent.observe(experience);
      tf.dispose([experience, decision] as unknown as tf.TensorContainer);
      endPiece();
      const counted = mask ? mask.reduce((sum, value) => sum + value, 0) : count;
      if (wholeEpisodes) for (let copy = 0; copy < count; copy++) over[copy] |= terminated[copy] | truncated[copy];
      steps++;
      transitions += counted;
      sums[rewards.length] += counted;
      return counted;
    },
    readRewards() {
      const rows = sums[rewards.length];
      const means = Object.fromEntries(
        rows > 0 ? rewards.map(({ name }, i): [string, number] => [`reward/${name}`, sums[i] / rows]) : [],
      );
      sums.fill(0);
      return means;
    },
    save: async () => ({
      environment: await environment.save(),
      over: { data: over.slice(), shape: [count] },
      steps,
      transitions,
    }),
    async load(state) {
      const saved = state as Record<string, StateTree>;
      await environment.load(saved.environment);
      over.set((saved.over as HostTensor).data);
      steps = saved.steps as number;
      transitions = saved.transitions as number;
      sums.fill(0);
    },
  };
}
