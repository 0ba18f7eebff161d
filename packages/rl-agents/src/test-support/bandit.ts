import { type Agent, type Random, simplex, discrete, type UpdateReport } from '@retort/core';
import { endPiece, toTensor } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';

/**
 * A contextual bandit with a known optimum: the state is one of `contexts` one-hot codes beside distractors of very different
 * scale, and component m of context c earns reward[c][m].
 */
export interface Bandit {
  stateSize: number;
  reward: number[][];
  states(size: number, random: Random): { state: tf.Tensor2D; componentReward: tf.Tensor2D };
}

export function createBandit(reward: number[][]): Bandit {
  const contexts = reward.length;
  const stateSize = contexts + 2;
  return {
    stateSize,
    reward,
    states: (size, random) => {
      const rows: number[][] = [];
      const rewards: number[][] = [];
      for (let i = 0; i < size; i++) {
        const context = random.integer(contexts);
        const code = Array.from({ length: contexts }, (_, c) => (c === context ? 30 : 0));
        rows.push([...code, 1000 + 50 * random.normal(), 1e-3 * random.normal()]);
        rewards.push(reward[context]);
      }
      return { state: tf.tensor2d(rows), componentReward: tf.tensor2d(rewards) };
    },
  };
}

/** Rewards of three components in four contexts; uniform weights earn 0. */
export const rewards = [
  [1, 0, -1],
  [-1, 1, 0],
  [0, -1, 1],
  [0.5, -1, 0.5],
];

/** Actions of the bandit: two simplex heads or one choice. */
export const simplexActions = { logit: simplex(3), feature: simplex(3) };
export const discreteActions = { choice: discrete(3) };

/** One round: act with noise, earn, observe, update. */
export function playRound(
  agent: Agent,
  bandit: Bandit,
  random: Random,
  { size = 64, withComponents = true, update = true } = {},
): UpdateReport {
  const report = tf.tidy(() => {
    const { state, componentReward } = bandit.states(size, random);
    const noise = Object.fromEntries(Object.entries(agent.noise(size)).map(([name, x]) => [name, toTensor(x)]));
    const decision = agent.act(state, noise);
    const heads = Object.keys(decision.action);
    const reward = tf.addN(heads.map((head) => earned(componentReward, decision.action[head]))) as tf.Tensor1D;
    agent.observe({
      state,
      ...decision,
      reward,
      ...(withComponents && { componentReward: Object.fromEntries(heads.map((head) => [head, componentReward])) }),
    });
    return update ? agent.update() : {};
  });
  // As where a trainer awaits: a step is a graph of its own on backends that record.
  endPiece();
  return report;
}

/** Mean reward per head of the policy without noise, over the best there is. */
export async function shareOfOptimum(agent: Agent, bandit: Bandit, random: Random): Promise<number> {
  const share = tf.tidy(() => {
    const { state, componentReward } = bandit.states(512, random);
    const { action } = agent.act(state);
    const best = componentReward.max(1).mean();
    const got = Object.values(action).map((taken) => earned(componentReward, taken).mean());
    return tf.addN(got).div(best).div(got.length);
  });
  const [value] = await share.data();
  share.dispose();
  return value;
}

function earned(componentReward: tf.Tensor2D, action: tf.Tensor): tf.Tensor1D {
  const weights = action.rank === 1 ? tf.oneHot(action.toInt(), componentReward.shape[1]) : action;
  return componentReward.mul(weights).sum(1);
}
