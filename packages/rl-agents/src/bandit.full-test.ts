import { Seeds } from '@retort/core';
import { describeEachBackend } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { createBandit, playRound, rewards, shareOfOptimum, simplexActions } from './test-support/bandit.js';
import { createAgent } from './test-support/setup.js';

describeEachBackend('a contextual bandit with a known optimum', () => {
  const bandit = createBandit(rewards);
  const faster = { optimizer: { use: 'adamw', learningRate: 3e-3 }, entropyCoefficient: 0.01 };

  it.each([
    ['pg, Dirichlet, each batch', { use: 'pg', gradient: 'sampled', ...faster, distribution: 'dirichlet' }, 120, 1],
    ['pg, each 20 batches', { use: 'pg' }, 100, 20],
    ['ppo, each 20 batches', { use: 'ppo' }, 300, 20],
    ['grpo, each 20 batches', { use: 'grpo' }, 300, 20],
    ['dpg, each batch', { use: 'dpg' }, 175, 1],
    ['ddpg, each batch', { use: 'ddpg' }, 175, 1],
    ['ddpg, each 20 batches', { use: 'ddpg' }, 300, 20],
  ])('is solved to 95 %% by %s', async (_, reference, rounds, updateEvery) => {
    const { agent } = await createAgent(reference, { stateSize: bandit.stateSize, actions: simplexActions });
    const random = new Seeds(7).stream('bandit');
    for (let round = 0; round < rounds; round++) {
      // The last batch of an epoch is a short one.
      const last = round % updateEvery === updateEvery - 1;
      const size = last && updateEvery > 1 ? 16 : 64;
      tf.dispose(playRound(agent, bandit, random, { size, update: last, withComponents: !('gradient' in reference) }));
    }
    expect(await shareOfOptimum(agent, bandit, random)).toBeGreaterThan(0.95);
    agent.dispose();
  });
});
