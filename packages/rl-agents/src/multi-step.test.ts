import { box, Seeds } from '@retort/core';
import { toTensor } from '@retort/nn';
import { describeEachBackend } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { createAgent } from './test-support/setup.js';
import {
  corridorActions,
  corridorReturn,
  corridorSize,
  createCorridors,
  playCorridors,
} from './test-support/corridor.js';

describeEachBackend('a corridor with its reward at the end', () => {
  it.each([
    [{ use: 'pg', optimizer: { use: 'adamw', learningRate: 1e-2 } }, 40],
    [{ use: 'ppo' }, 15],
  ])('is walked straight by %j', async (reference, rounds) => {
    const discount = 0.9;
    const { agent } = await createAgent(
      { ...reference, discount, hidden: [32] },
      { stateSize: corridorSize, actions: corridorActions },
    );
    const corridors = createCorridors(16);
    for (let round = 0; round < rounds; round++) playCorridors(agent, corridors, 16, 16);
    expect(corridorReturn(agent, discount)).toBeCloseTo(discount ** 3);
    agent.dispose();
  });
});

describeEachBackend('a box action', () => {
  const actions = { force: box([-2], [2]) };

  it('is found by ppo: the action nearest to a target that depends on the state', async () => {
    const { agent } = await createAgent(
      { use: 'ppo', hidden: [32], optimizer: { use: 'adamw', learningRate: 3e-3 } },
      { stateSize: 1, actions },
    );
    const random = new Seeds(3).stream('x');
    const targetOf = (state: tf.Tensor) => state.mul(1.2);
    const states = () => toTensor<tf.Tensor2D>({ data: random.fill(new Float32Array(64), 'uniform'), shape: [64, 1] });
    for (let round = 0; round < 60; round++) {
      tf.tidy(() => {
        const state = states();
        const noise = { 'force/normal': toTensor(agent.noise(64)['force/normal']) };
        const decision = agent.act(state, noise);
        const reward = decision.action.force.sub(targetOf(state)).square().neg().sum(1) as tf.Tensor1D;
        agent.observe({ state, ...decision, reward });
        return agent.update();
      });
    }
    const state = states();
    const error = agent.act(state).action.force.sub(targetOf(state)).square().mean().dataSync()[0];
    // A constant at the mean target leaves 1.44 / 12 = 0.12.
    expect(error).toBeLessThan(0.02);
    agent.dispose();
  });

  it('that pays only a step later is found by ddpg: a point is pushed towards the origin', async () => {
    const { agent } = await createAgent(
      {
        ...{ use: 'ddpg', hidden: [32], batchSize: 32, discount: 0.8, targetRate: 0.05 },
        optimizer: { use: 'adamw', learningRate: 2e-3 },
      },
      { stateSize: 1, actions },
    );
    const random = new Seeds(3).stream('x');
    const count = 16;
    // x ← x + a / 2, reward −x² of where it stood: the reward of a step does not depend on its action. Cut off after 8 steps.
    for (let episode = 0; episode < 40; episode++) {
      let x = tf.tensor2d(Array.from({ length: count }, () => [4 * random.uniform() - 2]));
      for (let t = 0; t < 8; t++) {
        x = tf.tidy(() => {
          const { action } = agent.act(x, { force: toTensor(agent.noise(count).force) });
          const nextState = x.add<tf.Tensor2D>(action.force.mul(0.5));
          const reward = x.square().sum<tf.Tensor1D>(1).neg();
          const truncated = tf.fill([count], t === 7 ? 1 : 0) as tf.Tensor1D;
          agent.observe({ state: x, action, reward, nextState, terminated: tf.zeros([count]), truncated });
          agent.update();
          return nextState;
        });
      }
    }
    const force = agent.act(tf.tensor2d([[-2], [-1], [1], [2]])).action.force.dataSync();
    expect(Math.max(-force[0], -force[1], force[2], force[3])).toBeLessThan(-0.7);
    agent.dispose();
  });

  it.each([
    [1, 1],
    [0, 2],
  ])('ddpg values a reward of 1 forever, ended %d, at %d with discount ½', async (ended, value) => {
    const { agent } = await createAgent(
      {
        ...{ use: 'ddpg', hidden: [8], batchSize: 16, discount: 0.5, targetRate: 0.1 },
        optimizer: { use: 'adamw', learningRate: 1e-2 },
      },
      { stateSize: 1, actions },
    );
    const state = tf.zeros([16, 1]) as tf.Tensor2D;
    for (let i = 0; i < 150; i++) {
      tf.tidy(() => {
        const { action } = agent.act(state, { force: toTensor(agent.noise(16).force) });
        const flag = tf.fill([16], ended) as tf.Tensor1D;
        agent.observe({ state, action, reward: tf.ones([16]), nextState: state, terminated: flag, truncated: flag });
        agent.update();
      });
    }
    agent.observe({
      state,
      action: agent.act(state).action,
      reward: tf.ones([16]),
      nextState: state,
      terminated: tf.fill([16], ended),
    });
    // Rewards of 1 have a root mean square of 1; the actor's loss is −Q.
    expect(-agent.update().actorLoss.dataSync()[0]).toBeCloseTo(value, 1);
    agent.dispose();
  });
});
