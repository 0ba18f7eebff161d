import { Seeds } from '@retort/core';
import { describeEachBackend } from '@retort-tools/testing';
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

type Actions = typeof simplexActions | typeof discreteActions;

describeEachBackend('a contextual bandit with a known optimum', (backend) => {
  const bandit = createBandit(rewards);
  const sampled = { use: 'pg', gradient: 'sampled' };
  const faster = { optimizer: { use: 'adamw', learningRate: 3e-3 }, entropyCoefficient: 0.01 };

  const agents: [string, { use: string; [option: string]: unknown }, Actions, number][] = [
    ['pg, exact', { use: 'pg' }, simplexActions, 100],
    ['pg, logistic-normal', sampled, simplexActions, 110],
    ['pg, discrete', { use: 'pg' }, discreteActions, 50],
    ['pg, discrete, mean baseline', { use: 'pg', baseline: 'mean' }, discreteActions, 50],
    ['ppo, logistic-normal', { use: 'ppo' }, simplexActions, 40],
    ['ppo, Dirichlet', { use: 'ppo', ...faster, distribution: 'dirichlet' }, simplexActions, 40],
    ['ppo, discrete', { use: 'ppo' }, discreteActions, 30],
    ['grpo', { use: 'grpo' }, simplexActions, 60],
    ['grpo, Dirichlet', { use: 'grpo', ...faster, distribution: 'dirichlet' }, simplexActions, 60],
    ['dpg', { use: 'dpg' }, simplexActions, 175],
    ['ddpg', { use: 'ddpg' }, simplexActions, 175],
  ];
  // A minute of matrix products each on cpu: the full tests have it.
  it.each(agents.filter(([name]) => backend !== 'cpu' || !['dpg', 'ddpg'].includes(name)))(
    'is solved to 95 %% by %s',
    async (_, reference, actions, rounds) => {
      const { agent } = await createAgent(reference, { stateSize: bandit.stateSize, actions });
      const random = new Seeds(7).stream('bandit');
      for (let round = 0; round < rounds; round++) {
        tf.dispose(playRound(agent, bandit, random, { withComponents: !('gradient' in reference) }));
      }
      expect(await shareOfOptimum(agent, bandit, random)).toBeGreaterThan(0.95);
      agent.dispose();
    },
  );
});
