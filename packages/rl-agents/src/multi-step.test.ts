import { box, Seeds } from '@retort/core';
import { toTensor } from '@retort/nn';
import { useBackend } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { createAgent } from './test-support/setup.js';
import { corridorActions, corridorReturn, corridorSize, createCorridors, playCorridors } from './test-support/corridor.js';

beforeAll(() => useBackend('wasm'));

describe('a corridor with its reward at the end', () => {
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

describe('a box action', () => {
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

  it('of several steps is found by ddpg: a point is pushed to the origin and held there', async () => {
    const { agent } = await createAgent(
      { use: 'ddpg', hidden: [32], discount: 0.9, targetRate: 0.05, updates: 2, optimizer: { use: 'adamw', learningRate: 2e-3 } },
      { stateSize: 1, actions },
    );
    const random = new Seeds(3).stream('x');
    const count = 16;
    const starts = () => tf.tensor2d(Array.from({ length: count }, () => [4 * random.uniform() - 2]));
    // x ← x + a / 2, reward −x² of where it leads; cut off after 8 steps. One push of −2x, within bounds, is best.
    const step = (x: tf.Tensor2D, force: tf.Tensor) => x.add<tf.Tensor2D>(force.mul(0.5));
    for (let episode = 0; episode < 25; episode++) {
      let x = starts();
      for (let t = 0; t < 8; t++) {
        x = tf.tidy(() => {
          const noise = { force: toTensor(agent.noise(count).force) };
          const { action } = agent.act(x, noise);
          const nextState = step(x, action.force);
          const reward = nextState.square().sum(1).neg() as tf.Tensor1D;
          const truncated = tf.fill([count], t === 7 ? 1 : 0) as tf.Tensor1D;
          agent.observe({ state: x, action, reward, nextState, terminated: tf.zeros([count]), truncated });
          tf.dispose(agent.update());
          return nextState;
        });
      }
    }
    let x = starts();
    const before = x.square().mean().dataSync()[0];
    for (let t = 0; t < 3; t++) x = step(x, agent.act(x).action.force);
    expect(x.square().mean().dataSync()[0]).toBeLessThan(0.03 * before);
    agent.dispose();
  });
});
