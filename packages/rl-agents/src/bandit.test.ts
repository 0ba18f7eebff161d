import { Seeds } from '@retort/core';
import { useBackend } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { createAgent } from './test-support/setup.js';
import {
  createBandit,
  discreteActions,
  playRound,
  rewards,
  shareOfOptimum,
  simplexActions,
} from './test-support/bandit.js';

describe('a contextual bandit with a known optimum', () => {
  beforeAll(() => useBackend('cpu'));
  const bandit = createBandit(rewards);

  it.each([
    ['pg, exact', { use: 'pg' }, simplexActions, 150],
    ['pg, logistic-normal', { use: 'pg', gradient: 'sampled' }, simplexActions, 400],
    ['pg, Dirichlet', { use: 'pg', gradient: 'sampled', distribution: 'dirichlet' }, simplexActions, 400],
    ['pg, discrete', { use: 'pg' }, discreteActions, 300],
    ['pg, discrete, mean baseline', { use: 'pg', baseline: 'mean' }, discreteActions, 300],
    ['ppo, logistic-normal', { use: 'ppo' }, simplexActions, 150],
    ['ppo, Dirichlet', { use: 'ppo', distribution: 'dirichlet' }, simplexActions, 150],
    ['ppo, discrete', { use: 'ppo' }, discreteActions, 150],
    ['ddpg', { use: 'ddpg' }, simplexActions, 300],
  ])('is solved to 95 %% by %s', async (_, reference, actions, rounds) => {
    const { agent } = await createAgent(reference, { stateSize: bandit.stateSize, actions });
    const random = new Seeds(7).stream('bandit');
    const t = Date.now();
    const trace: string[] = [];
    for (let round = 0; round < rounds; round++) {
      tf.dispose(playRound(agent, bandit, random, { withComponents: reference.use === 'pg' && !('gradient' in reference) }));
      if (round % 25 === 24) trace.push((await shareOfOptimum(agent, bandit, random)).toFixed(3));
    }
    console.log(_, Date.now() - t, trace.join(' '));
    expect(await shareOfOptimum(agent, bandit, random)).toBeGreaterThan(0.95);
    agent.dispose();
  });
});
