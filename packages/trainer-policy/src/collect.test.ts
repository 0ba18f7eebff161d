import type { Agent, Experience } from '@retort/core';
import { held, useBackend } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { createCollector, type CollectOptions } from './collect.js';
import type { EnvironmentReward } from './environment-reward.js';
import { createObservationMoments } from './observation-moments.js';
import { createTrainingEpisodes } from './training-episodes.js';
import { counting } from './test-support/parts.js';

beforeAll(() => useBackend('cpu'));

/** An agent that writes down what it is told. */
function recorder(collects: Agent['collects']) {
  const told: Record<string, number[]>[] = [];
  const agent: Agent = {
    variables: {},
    noise: () => ({}),
    act: (state) => ({ action: { action: tf.zeros([state.shape[0]], 'int32') } }),
    observe: ({ action, reference, ...rest }: Experience) => {
      const tensors = { ...rest, ...reference, action: action.action } as object as Record<
        string,
        tf.Tensor | undefined
      >;
      told.push(
        Object.fromEntries(
          Object.entries(tensors).flatMap(([name, tensor]) => (tensor ? [[name, Array.from(tensor.dataSync())]] : [])),
        ) as Record<string, number[]>,
      );
    },
    update: () => ({}),
    collects,
    memoryTensors: 0,
    save: async () => null,
    load() {},
    dispose() {},
  };
  return { agent, told };
}

function collectorOf(count: number, more: Partial<CollectOptions> = {}) {
  const environment = counting({ count }, { reward: (copy, step) => copy + 10 * step });
  const { agent, told } = recorder(more.wholeEpisodes ? 'episodes' : 1);
  const episodes = createTrainingEpisodes(environment);
  const collector = createCollector({ environment, agent, wholeEpisodes: false, episodes, ...more });
  return { collector, told, episodes };
}

it('goes from episode to episode, the next state being what an action led to', async () => {
  const { collector, told } = collectorOf(2);
  await collector.begin();
  const before = held();
  for (let step = 0; step < 3; step++) expect(await collector.step()).toBe(2);
  expect(held()).toEqual(before);
  // Copy 0 ends its episodes after one step, copy 1 after two; each then shows 0.
  expect(told).toEqual([
    { state: [0, 0], action: [0, 0], reward: [10, 11], nextState: [1, 1], terminated: [1, 0], truncated: [0, 0] },
    { state: [0, 1], action: [0, 0], reward: [10, 21], nextState: [1, 2], terminated: [1, 1], truncated: [0, 0] },
    { state: [0, 0], action: [0, 0], reward: [10, 11], nextState: [1, 1], terminated: [1, 0], truncated: [0, 0] },
  ]);
  expect(collector.transitions).toBe(6);
});

it('masks copies whose episode is over until all are, and starts them together', async () => {
  const moments = createObservationMoments(1);
  const { collector, told, episodes } = collectorOf(3, { wholeEpisodes: true, moments });
  await collector.begin();
  const transitions: number[] = [];
  const over: boolean[] = [];
  for (let step = 0; step < 4; step++) {
    transitions.push(await collector.step());
    over.push(collector.allOver);
  }
  expect(transitions).toEqual([3, 2, 1, 3]);
  expect(over).toEqual([false, false, true, false]);
  expect(told.map(({ mask }) => mask)).toEqual([
    [1, 1, 1],
    [0, 1, 1],
    [0, 0, 1],
    [1, 1, 1],
  ]);
  expect(told[3].state).toEqual([0, 0, 0]);
  expect(collector.transitions).toBe(9);
  // Observations 0, 0, 0, 1, 1, 2, 0, 0, 0 were acted on by copies that count.
  expect([moments.count, moments.mean[0]]).toEqual([9, expect.closeTo(4 / 9, 12)]);
  expect(episodes.read()).toMatchObject({ episodes: 4, 'episode-length': (1 + 2 + 3 + 1) / 4 });
});

it('scales what the environment gives, adds rewards by their weights, and hands on what guidance compares with', async () => {
  const begun: number[][] = [];
  const extra: EnvironmentReward = {
    begin: async (observations) => void begun.push(Array.from(observations)),
    reward: async ({ nextObservations, following }) => [nextObservations[0], following[1]],
    save: async () => null,
    load() {},
  };
  const halved = {
    deviation: 2,
    scale: (rewards: ArrayLike<number>) => Float64Array.from(rewards, (r) => r / 2),
    save: () => null,
    load() {},
  };
  const { collector, told } = collectorOf(2, {
    rewards: [{ name: 'extra', weight: 100, reward: extra }],
    rewardScale: halved,
    reference: async (observations) => ({
      'large/logits': tf.tensor2d(
        observations.map((x) => x + 7),
        [2, 1],
      ),
    }),
  });
  await collector.begin();
  const before = held();
  await collector.step();
  await collector.step();
  expect(held()).toEqual(before);
  expect(begun).toEqual([[0, 0]]);
  // Following shows what copy 1 acts on next: 1, and after its episode's end 0.
  expect(told.map(({ reward }) => reward)).toEqual([
    [105, 105.5],
    [105, 10.5],
  ]);
  expect(told.map((each) => each['large/logits'])).toEqual([
    [7, 7],
    [7, 8],
  ]);
  expect(collector.readRewards()).toEqual({ 'reward/extra': 3 / 4 });
  expect(collector.readRewards()).toEqual({});
});
